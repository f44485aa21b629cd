-- connection_paths.near_paths(request, contact_ids, date_tos, strengths, user_ids, most)
--
-- Finds the best paths of one and of two contacts.
--
-- Parameters
--     request      What is asked, already checked. Required.
--     contact_ids  The first contacts: the target, or a member who shares an edge with it.
--     date_tos     The last day of each of these edges; NULL for the target, and where the edge goes on.
--     strengths    The strength of each of these edges; NULL where the order is by recency.
--     user_ids     The user who brought in each of these contacts; NULL: a user who opens no path.
--     most         How many paths at most.
-- Returns
--     One row of arrays; where there is no path, contacts is empty and the others are NULL.
--     contacts   The first contact of each path, the best path first.
--     parents    The chain that each makes longer: 0 for the target itself, 1 for its neighbours.
--     recencies  The recency of each; NULL for the target itself.
--     users      The user of each; NULL where a chain counts once.
--     last_rank  The greatest rank of the paths that the viewer does not open; NULL when there is none.
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
    strengths smallint[],
    user_ids bigint[],
    most integer
)
RETURNS TABLE (contacts bigint[], parents integer[], recencies date[], users bigint[], last_rank bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT
        COALESCE(array_agg(p.contact_id), '{}'),
        array_agg((p.contact_id <> (near_paths.request).target_contact_id)::integer),
        array_agg(connection_paths.rank_recency(p.rank)), array_agg(p.user_id), max(p.rank) FILTER (WHERE p.rank % 2 = 1)
    FROM (
        SELECT p.contact_id, p.user_id, p.rank
        FROM (
            SELECT
                e.contact_id,
                o.user_id,
                min(
                    CASE WHEN e.contact_id = (near_paths.request).target_contact_id
                        THEN connection_paths.path_rank(NULL, NULL, e.user_id = (near_paths.request).viewer_user_id)
                        ELSE connection_paths.path_rank(
                            e.strength, e.recency, e.user_id = (near_paths.request).viewer_user_id
                        )
                    END
                ) AS rank
            FROM (
                SELECT
                    unnest(near_paths.contact_ids) AS contact_id,
                    LEAST(unnest(near_paths.date_tos), current_date) AS recency,
                    unnest(near_paths.strengths) AS strength, unnest(near_paths.user_ids) AS user_id
            ) AS e
            CROSS JOIN LATERAL (SELECT CASE WHEN NOT (near_paths.request).by_chain THEN e.user_id END AS user_id) AS o
            WHERE connection_paths.user_opens(e.user_id, (near_paths.request).opener_user_ids)
            GROUP BY e.contact_id, o.user_id
        ) AS p
        ORDER BY p.rank, p.user_id, p.contact_id
        LIMIT near_paths.most
    ) AS p;
END;

COMMENT ON FUNCTION connection_paths.near_paths(connection_paths.search_request, bigint[], date[], smallint[], bigint[], integer) IS 'The best paths of one and of two contacts';

REVOKE ALL ON FUNCTION connection_paths.near_paths(connection_paths.search_request, bigint[], date[], smallint[], bigint[], integer)
FROM PUBLIC;
