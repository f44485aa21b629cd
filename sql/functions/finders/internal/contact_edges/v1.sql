-- connection_paths.contact_edges(contact_id, given_edges)
--
-- Gives the best edges of a contact, in order: the latest last day first (going on before all), then the smaller
-- neighbour.
--
-- Parameters
--     contact_id   The contact.
--     given_edges  Edges of the target to use instead of the edge table. NULL: the edge table.
-- Returns
--     One row per edge. A pair with edges of several kinds comes several times.
--     neighbour_id  The contact at the other end.
--     date_to       The last day of the edge; NULL: it goes on.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     search, near_members, front_edges, count_around_target
-- Why
--     The planner inlines this function and merges idx_cc_walk_a and idx_cc_walk_b, both index-only. It stops after
--     the last row that the caller needs. Each arm states its order itself: the planner does not see that the first
--     column of the index is constant within an arm, and would sort every edge of a hub.
--     With edge_details this is all that reads the edge table for a search.
CREATE OR REPLACE FUNCTION connection_paths.contact_edges(
    contact_id bigint,
    given_edges connection_paths.given_edge[]
)
RETURNS TABLE (neighbour_id bigint, date_to date)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100
BEGIN ATOMIC
    SELECT e.neighbour_id, e.date_to
    FROM (
        (
            SELECT c.contact_b_id AS neighbour_id, c.date_to
            FROM connection_paths.contact_connections AS c
            WHERE c.contact_a_id = CASE WHEN contact_edges.given_edges IS NULL THEN contact_edges.contact_id END
            ORDER BY c.date_to DESC NULLS FIRST, c.contact_b_id
        )
        UNION ALL
        (
            SELECT c.contact_a_id, c.date_to
            FROM connection_paths.contact_connections AS c
            WHERE c.contact_b_id = CASE WHEN contact_edges.given_edges IS NULL THEN contact_edges.contact_id END
            ORDER BY c.date_to DESC NULLS FIRST, c.contact_a_id
        )
        UNION ALL
        (
            SELECT o.neighbour_id, o.date_to
            FROM unnest(contact_edges.given_edges) AS o
            ORDER BY o.date_to DESC NULLS FIRST, o.neighbour_id
        )
    ) AS e
    ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id;
END;

COMMENT ON FUNCTION connection_paths.contact_edges(bigint, connection_paths.given_edge[]) IS 'The best edges of a contact, from either end, read from the walk indexes alone';

REVOKE ALL ON FUNCTION connection_paths.contact_edges(bigint, connection_paths.given_edge[]) FROM PUBLIC;
