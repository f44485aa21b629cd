-- connection_paths.edge_details(contact_id, neighbour_id, given_edges)
--
-- Gives the edge that stands for a pair of contacts.
--
-- Parameters
--     contact_id    One contact; the neighbour of the target where edges are given.
--     neighbour_id  The other contact.
--     given_edges   Edges of the target to use instead of the edge table. NULL: the edge table.
-- Returns
--     At most one row: the edge that ends last (going on before all); of equal ones the kind declared first.
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
--     path_rows, path_documents, count_around_target
-- Why
--     Only the paths that are returned need these columns, so the search itself never reads the table, only
--     indexes.
CREATE OR REPLACE FUNCTION connection_paths.edge_details(
    contact_id bigint,
    neighbour_id bigint,
    given_edges connection_paths.given_edge[]
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
                WHEN edge_details.given_edges IS NULL THEN LEAST(edge_details.contact_id, edge_details.neighbour_id)
                ELSE NULL::bigint
            END
            AND c.contact_b_id = GREATEST(edge_details.contact_id, edge_details.neighbour_id)
        UNION ALL
        SELECT
            'work_overlap'::connection_paths.connection_kind, o.strength, o.shared_organizations, o.organization_id,
            o.date_from, o.date_to, o.earlier_days, o.people
        FROM unnest(edge_details.given_edges) AS o
        WHERE edge_details.given_edges IS NOT NULL AND o.neighbour_id = edge_details.contact_id
        -- a fence: the pair by its key, not one contact's edges in date order until the other turns up
        OFFSET 0
    ) AS e
    ORDER BY e.date_to DESC NULLS FIRST, e.kind
    LIMIT 1;
END;

COMMENT ON FUNCTION connection_paths.edge_details(bigint, bigint, connection_paths.given_edge[]) IS 'The most recent edge of a pair of contacts';

REVOKE ALL ON FUNCTION connection_paths.edge_details(bigint, bigint, connection_paths.given_edge[]) FROM PUBLIC;
