-- connection_paths.near_paths(request, contact_ids, date_tos, user_ids)
--
-- Finds the best paths of one and of two contacts.
--
-- Parameters
--     request      What is asked, already checked. Required.
--     contact_ids  The first contacts: the target, or a member who shares an edge with it.
--     date_tos     The last day of each of these edges; NULL for the target, and where the edge goes on.
--     user_ids     The user who brought in each of these contacts; NULL: a user who opens no path.
-- Returns
--     One row of arrays; where there is no path, contacts is empty and the others are NULL.
--     contacts       The first contact of each path, the best path first.
--     parents        The chain that each makes longer: 0 for the target itself, 1 for its neighbours.
--     recencies      The recency of each; NULL for the target itself.
--     users          The user of each; NULL where a chain counts once.
--     other_recency  The earliest recency of the paths that the viewer does not open; NULL when there is none.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search
CREATE OR REPLACE FUNCTION connection_paths.near_paths(
    request connection_paths.search_request,
    contact_ids bigint[],
    date_tos date[],
    user_ids bigint[]
)
RETURNS TABLE (contacts bigint[], parents integer[], recencies date[], users bigint[], other_recency date)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT
        COALESCE(array_agg(p.contact_id), '{}'), array_agg((p.recency IS NOT NULL)::integer), array_agg(p.recency),
        array_agg(p.user_id), min(p.recency) FILTER (WHERE NOT p.is_viewer)
    FROM (
        SELECT p.contact_id, p.recency, p.user_id, p.is_viewer
        FROM (
            SELECT
                e.contact_id,
                CASE WHEN e.contact_id <> (near_paths.request).target_contact_id
                    THEN LEAST(max(COALESCE(e.date_to, 'infinity')), current_date)
                END AS recency,
                o.user_id,
                bool_or(e.user_id = (near_paths.request).viewer_user_id) AS is_viewer
            FROM (
                SELECT
                    unnest(near_paths.contact_ids) AS contact_id, unnest(near_paths.date_tos) AS date_to,
                    unnest(near_paths.user_ids) AS user_id
            ) AS e
            CROSS JOIN LATERAL (SELECT CASE WHEN NOT (near_paths.request).by_chain THEN e.user_id END AS user_id) AS o
            WHERE e.user_id IS NOT NULL
                AND ((near_paths.request).seed_scope = 'any' OR e.user_id = (near_paths.request).viewer_user_id)
            GROUP BY e.contact_id, o.user_id
        ) AS p
        ORDER BY connection_paths.path_rank(p.recency, p.is_viewer), p.user_id, p.contact_id
        LIMIT (near_paths.request).max_found
    ) AS p;
END;

COMMENT ON FUNCTION connection_paths.near_paths(connection_paths.search_request, bigint[], date[], bigint[]) IS 'The best paths of one and of two contacts';

REVOKE ALL ON FUNCTION connection_paths.near_paths(connection_paths.search_request, bigint[], date[], bigint[]) FROM PUBLIC;
