-- connection_paths.pair_edges(contact_id, neighbour_id, request)
--
-- Gives the edges between two contacts that pass the filters of a search.
--
-- Parameters
--     contact_id    One contact. Where the request has given_edges, it is the neighbour of the target.
--     neighbour_id  The other contact.
--     request       What is asked, already checked. Where it has given_edges, these are used instead of the edge table.
-- Returns
--     One row per kind, in no order.
--     kind                  The kind of the edge.
--     strength              The strength of the edge.
--     shared_organizations  How many organizations the two shared; NULL for other kinds than work_overlap.
--     organization_id       Where the two met; NULL for kinds that know none.
--     date_from             The first day of the edge.
--     date_to               The last day of the edge; NULL: it goes on.
--     earlier_days          How many days before date_from the two had in common: see overlap_days.
--     people                The size class of the smallest organization that the two shared.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     with_details, edge_details, count_around_target
-- Why
--     given_edges holds the edges of the target only, each under its neighbour. So the order of the two contacts
--     matters there, and not for the edge table.
CREATE OR REPLACE FUNCTION connection_paths.pair_edges(
    contact_id bigint,
    neighbour_id bigint,
    request connection_paths.search_request
)
RETURNS TABLE (
    kind connection_paths.connection_kind,
    strength smallint,
    shared_organizations smallint,
    organization_id bigint,
    date_from date,
    date_to date,
    earlier_days integer,
    people integer
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT
        e.kind, e.strength, e.shared_organizations, e.organization_id, e.date_from, e.date_to, e.earlier_days, e.people
    FROM (
        SELECT
            c.kind, c.strength, c.shared_organizations, c.organization_id, c.date_from, c.date_to, c.earlier_days,
            c.people
        FROM connection_paths.contact_connections AS c
        WHERE c.contact_a_id = CASE
                WHEN (pair_edges.request).given_edges IS NULL THEN LEAST(pair_edges.contact_id, pair_edges.neighbour_id)
            END
            AND c.contact_b_id = GREATEST(pair_edges.contact_id, pair_edges.neighbour_id)
        UNION ALL
        SELECT
            'work_overlap'::connection_paths.connection_kind, o.strength, o.shared_organizations, o.organization_id,
            o.date_from, o.date_to, o.earlier_days, o.people
        FROM unnest((pair_edges.request).given_edges) AS o
        WHERE (pair_edges.request).given_edges IS NOT NULL AND o.neighbour_id = pair_edges.contact_id
        -- a fence: the pair by its key, not one contact's edges in date order until the other turns up
        OFFSET 0
    ) AS e
    WHERE connection_paths.edge_passes(pair_edges.request, e.kind, e.strength, e.date_to, e.organization_id);
END;

COMMENT ON FUNCTION connection_paths.pair_edges(bigint, bigint, connection_paths.search_request) IS 'The edges between two contacts that pass the filters of a search';

REVOKE ALL ON FUNCTION connection_paths.pair_edges(bigint, bigint, connection_paths.search_request) FROM PUBLIC;
