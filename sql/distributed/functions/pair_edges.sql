-- connection_paths.pair_edges(contact_id, neighbour_id, request)
--
-- Gives the edges between two contacts that pass the filters of a search.
--
-- Parameters
--     contact_id    One contact.
--     neighbour_id  The other contact.
--     request       What is asked, already checked. Required.
-- Returns
--     One edge per kind, in no order.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     path_hops, count_around_target
-- Why
--     The query asks only the shard of the smaller contact.
CREATE OR REPLACE FUNCTION connection_paths.pair_edges(
    contact_id bigint,
    neighbour_id bigint,
    request connection_paths.search_request
)
RETURNS SETOF connection_paths.edge_details
LANGUAGE plpgsql
STABLE
PARALLEL RESTRICTED
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    IF request.given_edges IS NULL THEN
        RETURN QUERY
        SELECT
            pair_edges.neighbour_id, e.kind, e.strength, e.shared_organizations, e.organization_id, e.date_from, e.date_to,
            e.earlier_days, e.people
        FROM connection_paths.stored_pairs(ARRAY[pair_edges.contact_id], ARRAY[pair_edges.neighbour_id]) AS e
        WHERE connection_paths.edge_passes(request, e.kind, e.strength, e.date_to, e.organization_id);
    ELSE
        RETURN QUERY
        SELECT o.*
        FROM unnest(request.given_edges) AS o
        WHERE o.neighbour_id = pair_edges.contact_id
            AND connection_paths.edge_passes(request, o.kind, o.strength, o.date_to, o.organization_id);
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.pair_edges(bigint, bigint, connection_paths.search_request) IS 'The edges between two contacts that pass the filters of a search';

REVOKE ALL ON FUNCTION connection_paths.pair_edges(bigint, bigint, connection_paths.search_request) FROM PUBLIC;
