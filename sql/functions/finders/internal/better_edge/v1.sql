CREATE OR REPLACE FUNCTION connection_paths.better_edge(contact_id bigint, neighbour_id bigint, date_to date)
RETURNS TABLE (kind connection_paths.connection_kind)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT c.kind
    FROM connection_paths.contact_connections AS c
    WHERE c.contact_a_id = LEAST(better_edge.contact_id, better_edge.neighbour_id)
        AND c.contact_b_id = GREATEST(better_edge.contact_id, better_edge.neighbour_id)
        AND (c.date_to IS NULL AND better_edge.date_to IS NOT NULL OR c.date_to > better_edge.date_to)
    OFFSET 0;
END;

COMMENT ON FUNCTION connection_paths.better_edge(bigint, bigint, date) IS 'Edges of other kinds between two contacts that are more recent than one edge';

REVOKE ALL ON FUNCTION connection_paths.better_edge(bigint, bigint, date) FROM PUBLIC;
