-- connection_paths.target_openers(request)
--
-- Finds the users who know the target themselves.
--
-- Parameters
--     request  What is asked, already checked. Required.
-- Returns
--     One row of arrays, in the form of members_near_target; NULL when nobody knows the target.
--     contacts   The target, once for each path.
--     parents    0.
--     recencies  NULL.
--     users      The user of each path, the best first; NULL where a chain counts once.
--     open_contacts   NULL.
--     open_parents    NULL.
--     open_recencies  NULL.
--     is_cut          False.
--     number          How many paths were found.
-- Errors
--     none
-- Reads
--     collection_members
-- Writes
--     none
-- Used by
--     search
CREATE OR REPLACE FUNCTION connection_paths.target_openers(request connection_paths.search_request)
RETURNS TABLE (
    contacts bigint[],
    parents integer[],
    recencies date[],
    users bigint[],
    open_contacts bigint[],
    open_parents integer[],
    open_recencies date[],
    is_cut boolean,
    number bigint
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT
        array_agg(o.contact_id), array_agg(0), array_agg(NULL::date), array_agg(o.user_id),
        NULL::bigint[], NULL::integer[], NULL::date[], false, count(*)
    FROM (
        SELECT m.contact_id, o.user_id
        FROM connection_paths.collection_members AS m
        CROSS JOIN LATERAL (SELECT CASE WHEN NOT (target_openers.request).by_chain THEN m.user_id END AS user_id) AS o
        WHERE m.collection_id = (target_openers.request).collection_id
            AND m.contact_id = (target_openers.request).target_contact_id
            AND (
                (target_openers.request).seed_scope = 'any' OR m.user_id = (target_openers.request).viewer_user_id
            )
        GROUP BY m.contact_id, o.user_id
        ORDER BY connection_paths.path_rank(
            NULL, bool_or(m.user_id = (target_openers.request).viewer_user_id), o.user_id
        )
        LIMIT (target_openers.request).max_found
    ) AS o;
END;

COMMENT ON FUNCTION connection_paths.target_openers(connection_paths.search_request) IS 'Users who know the target themselves';

REVOKE ALL ON FUNCTION connection_paths.target_openers(connection_paths.search_request) FROM PUBLIC;
