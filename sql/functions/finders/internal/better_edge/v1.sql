-- connection_paths.better_edge(contact_id, neighbour_id, date_to)
--
-- Gives the edges between two contacts that end later than one edge of theirs.
--
-- Parameters
--     contact_id    One contact.
--     neighbour_id  The other contact.
--     date_to       The last day of the edge to compare with; NULL: it goes on.
-- Returns
--     One row per edge of another kind that ends later.
--     kind  The kind of that edge.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     count_around_target
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
