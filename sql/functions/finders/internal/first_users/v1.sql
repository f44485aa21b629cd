-- connection_paths.first_users(request, contact_ids, date_tos, strengths, user_ids)
--
-- Keeps, of the users who can open a path at each neighbour of the target, the first max_per_introducer.
--
-- Parameters
--     request      What is asked, already checked. Required.
--     contact_ids  The target, or a member who shares an edge with it.
--     date_tos     The last day of each of these edges; NULL for the target, and where the edge goes on.
--     strengths    The strength of each of these edges; NULL where the order is by recency.
--     user_ids     The user who brought in each of these contacts; NULL: a user who opens no path.
-- Returns
--     One row with the four arrays of the parameters, of the entries that are kept.
--     contact_ids  The target, or a member.
--     date_tos     The last days.
--     strengths    The strengths; NULL where the order is by recency.
--     user_ids     The users.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search
-- Why
--     Paths of two contacts with the same contact before the target differ only in their user. With the entries of all
--     users, the search would count paths that max_per_introducer leaves out, and stop before it has read enough edges.
CREATE OR REPLACE FUNCTION connection_paths.first_users(
    request connection_paths.search_request,
    contact_ids bigint[],
    date_tos date[],
    strengths smallint[],
    user_ids bigint[]
)
RETURNS TABLE (contact_ids bigint[], date_tos date[], strengths smallint[], user_ids bigint[])
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT
        array_agg(e.contact_id), array_agg(e.date_to),
        CASE WHEN first_users.strengths IS NOT NULL THEN array_agg(e.strength) END, array_agg(e.user_id)
    FROM (
        SELECT
            u.contact_id, u.date_to, u.strength, u.user_id,
            dense_rank() OVER (
                PARTITION BY u.contact_id
                ORDER BY u.user_id <> (first_users.request).viewer_user_id, u.user_id
            ) AS place
        FROM unnest(first_users.contact_ids, first_users.date_tos, first_users.strengths, first_users.user_ids)
            AS u (contact_id, date_to, strength, user_id)
        WHERE connection_paths.user_opens(u.user_id, (first_users.request).opener_user_ids)
    ) AS e
    WHERE e.place <= (first_users.request).max_per_introducer
        OR e.contact_id = (first_users.request).target_contact_id;
END;

COMMENT ON FUNCTION connection_paths.first_users(connection_paths.search_request, bigint[], date[], smallint[], bigint[]) IS 'The first users who can open a path at each neighbour of the target';

REVOKE ALL ON FUNCTION connection_paths.first_users(connection_paths.search_request, bigint[], date[], smallint[], bigint[])
FROM PUBLIC;
