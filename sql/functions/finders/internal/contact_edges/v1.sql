CREATE OR REPLACE FUNCTION connection_paths.contact_edges(
    contact_id bigint,
    most bigint,
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
    ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
    LIMIT contact_edges.most;
END;

COMMENT ON FUNCTION connection_paths.contact_edges(bigint, bigint, connection_paths.given_edge[]) IS 'The best edges of a contact, from either end, read from the walk indexes alone';

REVOKE ALL ON FUNCTION connection_paths.contact_edges(bigint, bigint, connection_paths.given_edge[]) FROM PUBLIC;
