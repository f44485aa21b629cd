-- generations.recent_edges(contact_id)
--
-- Returns a row for each edge of one contact, from either end: the neighbour, and the end date of the edge.
--
-- The planner inlines it. ORDER BY date_to DESC NULLS FIRST, neighbour_id with a LIMIT then becomes a merge of two
-- index-only scans that stops after the last row that is needed.
CREATE OR REPLACE FUNCTION generations.recent_edges(contact_id bigint)
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

COMMENT ON FUNCTION generations.recent_edges(bigint) IS 'Edges of a contact, from either end; ordered most recent first, they are read from the walk indexes alone';

REVOKE ALL ON FUNCTION generations.recent_edges(bigint) FROM PUBLIC;
