-- connection_paths.edge_details(contact_id, neighbour_id, request)
--
-- Gives the edge that stands for a pair of contacts in a search.
--
-- Parameters
--     contact_id    One contact. Where the request has given_edges, it is the neighbour of the target.
--     neighbour_id  The other contact.
--     request       What is asked, already checked. Required.
-- Returns
--     At most one row: of the edges that pass the filters, the best in the order of the request; of equal ones the kind
--     declared first.
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
--     none
-- Writes
--     none
-- Used by
--     few_members, path_rows, path_documents
-- Why
--     Only the paths that are returned need these columns. So a search by recency without filters reads indexes only,
--     and not the table.
CREATE OR REPLACE FUNCTION connection_paths.edge_details(
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
    FROM connection_paths.pair_edges(edge_details.contact_id, edge_details.neighbour_id, edge_details.request) AS e
    ORDER BY
        CASE WHEN (edge_details.request).order_by = 'strength' THEN e.strength END DESC,
        e.date_to DESC NULLS FIRST, e.kind
    LIMIT 1;
END;

COMMENT ON FUNCTION connection_paths.edge_details(bigint, bigint, connection_paths.search_request) IS 'The best edge of a pair of contacts, by the order and the filters of a search';

REVOKE ALL ON FUNCTION connection_paths.edge_details(bigint, bigint, connection_paths.search_request) FROM PUBLIC;
