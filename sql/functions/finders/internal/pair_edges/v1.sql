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
--     contact_connections
-- Writes
--     none
-- Used by
--     all_members, front_edges, path_hops, count_around_target
-- Why
--     A search reads the edge table only through contact_edges, neighbours and this function.
CREATE OR REPLACE FUNCTION connection_paths.pair_edges(
    contact_id bigint,
    neighbour_id bigint,
    request connection_paths.search_request
)
RETURNS SETOF connection_paths.edge_details
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT e.*
    FROM (
        SELECT
            pair_edges.neighbour_id, c.kind, c.strength, c.shared_organizations, c.organization_id, c.date_from, c.date_to,
            c.earlier_days, c.people
        FROM connection_paths.contact_connections AS c
        WHERE c.contact_a_id = LEAST(pair_edges.contact_id, pair_edges.neighbour_id)
            AND c.contact_b_id = GREATEST(pair_edges.contact_id, pair_edges.neighbour_id)
        -- a fence: the pair is found by the primary key; the planner may otherwise read all edges of one contact
        OFFSET 0
    ) AS e
    WHERE connection_paths.edge_passes(pair_edges.request, e.kind, e.strength, e.date_to, e.organization_id);
END;

COMMENT ON FUNCTION connection_paths.pair_edges(bigint, bigint, connection_paths.search_request) IS 'The edges between two contacts that pass the filters of a search';

REVOKE ALL ON FUNCTION connection_paths.pair_edges(bigint, bigint, connection_paths.search_request) FROM PUBLIC;
