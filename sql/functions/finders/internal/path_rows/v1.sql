-- connection_paths.path_rows(request, paths)
--
-- Gives the paths that a search found as rows of deep_finder.
--
-- Parameters
--     request  What is asked, already checked. Required.
--     paths    The paths, the best path first.
-- Returns
--     A row per path and user, the best first.
--     depth             Contacts on the path.
--     user_id           The user who opens it.
--     contact_ids       The contacts, from the first one, whom the user brought in, to the target.
--     organization_ids  The organization of each edge of the path.
--     date_froms        The first day of each edge.
--     date_tos          The last day of each edge; NULL: it goes on.
--     recency           The latest last day on the path, at most today; NULL at depth 1.
--     strength          The strength of the weakest edge of the path; NULL at depth 1.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     deep_finder, legacy_finder
CREATE OR REPLACE FUNCTION connection_paths.path_rows(
    request connection_paths.search_request,
    paths connection_paths.ranked_chain[]
)
RETURNS TABLE (
    depth integer,
    user_id bigint,
    contact_ids bigint[],
    organization_ids bigint[],
    date_froms date[],
    date_tos date[],
    recency date,
    strength smallint
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 25
BEGIN ATOMIC
    SELECT
        cardinality(p.contact_ids), p.user_id, p.contact_ids, COALESCE(h.organization_ids, '{}'),
        COALESCE(h.date_froms, '{}'), COALESCE(h.date_tos, '{}'), h.recency, h.strength
    FROM unnest(path_rows.paths) WITH ORDINALITY AS p (contact_ids, user_id, rank, place)
    LEFT JOIN (
        SELECT
            h.place, array_agg((h.edge).organization_id) AS organization_ids, array_agg((h.edge).date_from) AS date_froms,
            array_agg((h.edge).date_to) AS date_tos, max(LEAST((h.edge).date_to, current_date)) AS recency,
            min((h.edge).strength) AS strength
        FROM connection_paths.path_hops(path_rows.request, path_rows.paths) AS h
        GROUP BY h.place
    ) AS h ON h.place = p.place
    ORDER BY p.place;
END;

COMMENT ON FUNCTION connection_paths.path_rows(connection_paths.search_request, connection_paths.ranked_chain[]) IS 'The paths that a search found, as rows of deep_finder';

REVOKE ALL ON FUNCTION connection_paths.path_rows(connection_paths.search_request, connection_paths.ranked_chain[]) FROM PUBLIC;
