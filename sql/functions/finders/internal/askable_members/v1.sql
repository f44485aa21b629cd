-- connection_paths.askable_members(collection_id, target_contact_id, excluded_contact_ids, nobody_is_excluded)
--
-- Gives the members of a collection who may be asked, and the users who brought them in.
--
-- Parameters
--     collection_id         The collection whose members may be asked. Required; an unknown id gives an empty
--                           answer.
--     target_contact_id     The contact to be introduced to, whom no exclusion leaves out.
--     excluded_contact_ids  Contacts who may not be asked in this call, besides those whom the view introducers
--                           refuses; sorted, without NULL.
--     nobody_is_excluded    True when asking_rules has no row for the collection, and the call excludes nobody.
-- Returns
--     One row per entry, so a member whom several users brought in comes several times.
--     contact_id  The member.
--     user_id     The user who brought the member in; NULL: a user who opens no path.
-- Errors
--     none
-- Reads
--     introducers
-- Writes
--     none
-- Used by
--     near_members, contact_members, few_members, count_around_target
-- Why
--     This is the only place that decides who may stand on a path before its target.
--     Callers add a condition on contact_id, which makes it a look-up.
--     width_bucket finds a place in a sorted array by halving. The sub-select copies the array once; PL/pgSQL's own
--     would be copied for each row.
CREATE OR REPLACE FUNCTION connection_paths.askable_members(
    collection_id bigint,
    target_contact_id bigint,
    excluded_contact_ids bigint[],
    nobody_is_excluded boolean
)
RETURNS TABLE (contact_id bigint, user_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1000
BEGIN ATOMIC
    SELECT m.contact_id, m.user_id
    FROM connection_paths.introducers AS m
    WHERE m.collection_id = askable_members.collection_id
        AND (
            askable_members.nobody_is_excluded
            OR m.contact_id = askable_members.target_contact_id
            OR (
                askable_members.excluded_contact_ids[
                    width_bucket(m.contact_id, (SELECT askable_members.excluded_contact_ids || '{}'::bigint[]))
                ] = m.contact_id
            ) IS NOT TRUE
            AND m.may_be_asked
        );
END;

COMMENT ON FUNCTION connection_paths.askable_members(bigint, bigint, bigint[], boolean) IS 'Members of a collection who may be asked, and the users who brought them in';

REVOKE ALL ON FUNCTION connection_paths.askable_members(bigint, bigint, bigint[], boolean) FROM PUBLIC;
