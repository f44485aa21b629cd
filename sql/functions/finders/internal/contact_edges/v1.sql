-- connection_paths.contact_edges(contact_id, request, is_strong, is_filtered)
--
-- Gives the edges of a contact, the best first.
--
-- Parameters
--     contact_id   The contact.
--     request      What is asked, already checked. Required.
--     is_strong    NULL: all edges, the most recent first. True: the edges that idx_cc_strong_a and idx_cc_strong_b
--                  hold, the strongest first. False: all others, the strongest first. A constant.
--     is_filtered  True: only edges that pass the filters of the request. A constant.
-- Returns
--     One row per edge. By strength, the strongest edge comes first. Of equally strong edges, and by recency, an edge
--     that goes on comes first, then the latest last day, then the smaller neighbour. A pair with edges of several
--     kinds comes several times.
--     neighbour_id  The contact at the other end.
--     strength      The strength of the edge. NULL: the order by recency does not read it.
--     date_to       The last day of the edge; NULL: it goes on.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     search, near_members, front_edges, count_around_target, sql/queries/sweep/contacts.sql
-- Why
--     The planner inlines this function and merges two indexes, both index-only: idx_cc_walk_a and idx_cc_walk_b, or
--     idx_cc_strong_a and idx_cc_strong_b. It stops after the last row that the caller needs. Edges that are not strong
--     are read from the table and sorted (docs/adr/0018-strong-edges-are-indexed.md). Each arm states its order itself:
--     the planner does not see that the first column of the index is constant within an arm, and would sort every edge
--     of a hub. The planner removes the parts that the constants rule out. With filters, the plan reads the table, too.
CREATE OR REPLACE FUNCTION connection_paths.contact_edges(
    contact_id bigint,
    request connection_paths.search_request,
    is_strong boolean,
    is_filtered boolean
)
RETURNS TABLE (neighbour_id bigint, strength smallint, date_to date)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100
BEGIN ATOMIC
    SELECT e.neighbour_id, e.strength, e.date_to
    FROM (
        (
            SELECT
                c.contact_b_id AS neighbour_id, CASE WHEN contact_edges.is_strong IS NOT NULL THEN c.strength END AS strength,
                c.date_to
            FROM connection_paths.contact_connections AS c
            WHERE c.contact_a_id = contact_edges.contact_id
                AND (
                    contact_edges.is_strong IS NULL
                    OR (c.strength >= connection_paths.search_limit('strong')) = contact_edges.is_strong
                )
                AND (
                    NOT contact_edges.is_filtered
                    OR connection_paths.edge_passes(contact_edges.request, c.kind, c.strength, c.date_to, c.organization_id)
                )
            ORDER BY strength DESC, date_to DESC NULLS FIRST, neighbour_id
        )
        UNION ALL
        (
            SELECT
                c.contact_a_id AS neighbour_id, CASE WHEN contact_edges.is_strong IS NOT NULL THEN c.strength END AS strength,
                c.date_to
            FROM connection_paths.contact_connections AS c
            WHERE c.contact_b_id = contact_edges.contact_id
                AND (
                    contact_edges.is_strong IS NULL
                    OR (c.strength >= connection_paths.search_limit('strong')) = contact_edges.is_strong
                )
                AND (
                    NOT contact_edges.is_filtered
                    OR connection_paths.edge_passes(contact_edges.request, c.kind, c.strength, c.date_to, c.organization_id)
                )
            ORDER BY strength DESC, date_to DESC NULLS FIRST, neighbour_id
        )
    ) AS e
    ORDER BY
        CASE WHEN contact_edges.is_strong IS NOT NULL THEN e.strength END DESC,
        e.date_to DESC NULLS FIRST, e.neighbour_id;
END;

COMMENT ON FUNCTION connection_paths.contact_edges(bigint, connection_paths.search_request, boolean, boolean) IS 'The edges of a contact, from either end, the best first, read from indexes in order';

REVOKE ALL ON FUNCTION connection_paths.contact_edges(bigint, connection_paths.search_request, boolean, boolean) FROM PUBLIC;
