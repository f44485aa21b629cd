-- connection_paths.path_hops(request, paths)
--
-- Gives the edges of the paths that a search found.
--
-- Parameters
--     request  What is asked, already checked. Required.
--     paths    The paths.
-- Returns
--     One row per path and edge, in the order of the paths, and of the edges on a path. Where two contacts have edges
--     of several kinds that pass the filters, the best one is returned; of equally good ones, that of the kind that is
--     declared first.
--     place    The place of the path, from 1.
--     from_id  The contact at the beginning of the edge.
--     to_id    The contact at its end.
--     edge     The edge.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     path_rows, path_documents
-- Why
--     Only the paths that are returned need these columns. So a search by recency without filters reads indexes only,
--     and not the table. All edges of an answer are sorted together: a sort for each path takes 10 us.
CREATE OR REPLACE FUNCTION connection_paths.path_hops(
    request connection_paths.search_request,
    paths connection_paths.ranked_chain[]
)
RETURNS TABLE (
    place bigint,
    from_id bigint,
    to_id bigint,
    edge connection_paths.edge_details
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 25
BEGIN ATOMIC
    SELECT DISTINCT ON (h.place, h.hop)
        h.place, h.contact_ids[h.hop], h.contact_ids[h.hop + 1], ROW(d.*)::connection_paths.edge_details
    FROM (
        SELECT p.place, p.contact_ids, generate_series(1, cardinality(p.contact_ids) - 1) AS hop
        FROM unnest(path_hops.paths) WITH ORDINALITY AS p (contact_ids, user_id, rank, place)
    ) AS h
    CROSS JOIN LATERAL (
        SELECT d.*
        FROM connection_paths.pair_edges(h.contact_ids[h.hop], h.contact_ids[h.hop + 1], path_hops.request) AS d
        WHERE (path_hops.request).given_edges IS NULL
        UNION ALL
        SELECT o.*
        FROM unnest((path_hops.request).given_edges) AS o
        WHERE (path_hops.request).given_edges IS NOT NULL AND o.neighbour_id = h.contact_ids[h.hop]
    ) AS d
    ORDER BY
        h.place, h.hop, CASE WHEN (path_hops.request).order_by = 'strength' THEN d.strength END DESC,
        d.date_to DESC NULLS FIRST, d.kind;
END;

COMMENT ON FUNCTION connection_paths.path_hops(connection_paths.search_request, connection_paths.ranked_chain[]) IS 'The edges of the paths that a search found';

REVOKE ALL ON FUNCTION connection_paths.path_hops(connection_paths.search_request, connection_paths.ranked_chain[]) FROM PUBLIC;
