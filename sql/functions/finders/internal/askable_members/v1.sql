-- connection_paths.askable_members(request)
--
-- Gives the members of a collection who may be asked, and the users who brought them in.
--
-- Parameters
--     request  What is asked, already checked. Required.
-- Returns
--     One row per entry, so a member whom several users brought in comes several times. No rule leaves the target out.
--     contact_id  The member.
--     user_id     The user who brought the member in; NULL when this user may not open a path.
-- Errors
--     none
-- Reads
--     collection_members, do_not_ask
-- Writes
--     none
-- Used by
--     near_members, all_members, front_edges, count_around_target
-- Why
--     This is the only place that decides who may stand on a path before its target.
--     The planner inlines this function. Callers add a condition on contact_id, so the members are looked up by an
--     index. Where nobody is excluded, no rule is checked.
--     Every table in a plan takes microseconds, also where it is not read. So the limits of requests are behind the
--     function may_be_asked_again (docs/adr/0019-consent-in-one-view.md).
--     width_bucket finds a contact in the sorted array of excluded contacts by halving. The sub-select around the array
--     copies it once a statement; without it, PostgreSQL would copy the array for each member.
--     With OFFSET 0, PostgreSQL looks up one row of do_not_ask, and does not hash the whole table. COALESCE instead of
--     OR makes that one look-up instead of two.
CREATE OR REPLACE FUNCTION connection_paths.askable_members(request connection_paths.search_request)
RETURNS TABLE (contact_id bigint, user_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1000
BEGIN ATOMIC
    SELECT
        m.contact_id,
        CASE WHEN connection_paths.user_opens(
            m.user_id, (askable_members.request).opener_user_ids, (askable_members.request).closed_user_ids
        ) THEN m.user_id END
    FROM connection_paths.collection_members AS m
    WHERE m.collection_id = (askable_members.request).collection_id
        AND (
            (askable_members.request).nobody_is_excluded
            OR m.contact_id = (askable_members.request).target_contact_id
            OR (
                (askable_members.request).excluded_contact_ids[
                    width_bucket(
                        m.contact_id, (SELECT (askable_members.request).excluded_contact_ids || '{}'::bigint[])
                    )
                ] = m.contact_id
            ) IS NOT TRUE
            AND NOT EXISTS (
                SELECT
                FROM connection_paths.do_not_ask AS d
                WHERE d.contact_id = m.contact_id AND COALESCE(d.collection_id, m.collection_id) = m.collection_id
                OFFSET 0
            )
            AND (
                NOT (askable_members.request).has_limits
                OR connection_paths.may_be_asked_again(m.collection_id, m.contact_id)
            )
        );
END;

COMMENT ON FUNCTION connection_paths.askable_members(connection_paths.search_request) IS 'Members of a collection who may be asked, and the users who brought them in';

REVOKE ALL ON FUNCTION connection_paths.askable_members(connection_paths.search_request) FROM PUBLIC;
