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
--     Only the paths that are returned need these columns, and one query reads the edges of all their pairs.
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
LANGUAGE plpgsql
STABLE
PARALLEL RESTRICTED
SECURITY INVOKER
ROWS 25
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    hops record;
BEGIN
    SELECT
        array_agg(p.place) AS places, array_agg(n.hop) AS hops, array_agg(p.contact_ids[n.hop]) AS from_ids,
        array_agg(p.contact_ids[n.hop + 1]) AS to_ids
    INTO hops
    FROM unnest(paths) WITH ORDINALITY AS p (contact_ids, user_id, rank, place)
    CROSS JOIN LATERAL generate_series(1, cardinality(p.contact_ids) - 1) AS n (hop);

    IF request.given_edges IS NOT NULL THEN
        RETURN QUERY
        SELECT h.place, h.from_id, h.to_id, ROW(d.*)::connection_paths.edge_details
        FROM unnest(hops.places, hops.hops, hops.from_ids, hops.to_ids) AS h (place, hop, from_id, to_id)
        CROSS JOIN LATERAL connection_paths.pair_edges(h.from_id, h.to_id, request) AS d
        ORDER BY h.place, h.hop;
    ELSIF hops.places IS NOT NULL THEN
        RETURN QUERY
        SELECT DISTINCT ON (h.place, h.hop)
            h.place, h.from_id, h.to_id,
            ROW(
                h.to_id, d.kind, d.strength, d.shared_organizations, d.organization_id, d.date_from, d.date_to,
                d.earlier_days, d.people
            )::connection_paths.edge_details
        FROM unnest(hops.places, hops.hops, hops.from_ids, hops.to_ids) AS h (place, hop, from_id, to_id)
        JOIN connection_paths.stored_pairs(hops.from_ids, hops.to_ids) AS d
            ON d.contact_a_id = LEAST(h.from_id, h.to_id) AND d.contact_b_id = GREATEST(h.from_id, h.to_id)
        WHERE connection_paths.edge_passes(request, d.kind, d.strength, d.date_to, d.organization_id)
        ORDER BY
            h.place, h.hop, CASE WHEN request.order_by = 'strength' THEN d.strength END DESC,
            d.date_to DESC NULLS FIRST, d.kind;
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.path_hops(connection_paths.search_request, connection_paths.ranked_chain[]) IS 'The edges of the paths that a search found';

REVOKE ALL ON FUNCTION connection_paths.path_hops(connection_paths.search_request, connection_paths.ranked_chain[]) FROM PUBLIC;
