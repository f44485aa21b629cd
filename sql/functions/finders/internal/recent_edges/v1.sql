-- connection_paths.recent_edges(contact_id): the edges of one contact, from either end.
--
-- contact_id  the contact to walk from
-- Returns the neighbour and the date_to of the edge, a row per edge (so a pair with several kinds comes several times).
--
-- Inlined, so that ORDER BY date_to DESC NULLS FIRST, neighbour_id with a LIMIT becomes a merge of idx_cc_walk_a and
-- idx_cc_walk_b, both index-only, that stops after the last row needed. The arms must say their order themselves: the
-- planner does not see that within an arm the index's first column is a constant, and would sort every edge of a hub.
CREATE OR REPLACE FUNCTION connection_paths.recent_edges(contact_id bigint)
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
            WHERE c.contact_a_id = recent_edges.contact_id
            ORDER BY c.date_to DESC NULLS FIRST, c.contact_b_id
        )
        UNION ALL
        (
            SELECT c.contact_a_id, c.date_to
            FROM connection_paths.contact_connections AS c
            WHERE c.contact_b_id = recent_edges.contact_id
            ORDER BY c.date_to DESC NULLS FIRST, c.contact_a_id
        )
    ) AS e;
END;

COMMENT ON FUNCTION connection_paths.recent_edges(bigint) IS 'Edges of a contact, from either end; ordered most recent first, they are read from the walk indexes alone';

REVOKE ALL ON FUNCTION connection_paths.recent_edges(bigint) FROM PUBLIC;
