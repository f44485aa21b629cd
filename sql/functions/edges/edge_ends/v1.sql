-- connection_paths.edge_ends(above_contact_id, upto_contact_id)
--
-- Lists the contacts of a range of ids that are the smaller end of an edge.
--
-- Parameters
--     above_contact_id  The range begins above this id. NULL: no lower bound.
--     upto_contact_id   The range ends with this id. NULL: no upper bound.
-- Returns
--     contact_id  A contact that is the smaller end of an edge of any kind. Each contact once.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     contacts_to_refresh, split_batch, sql/queries/edges/verify_sample.sql
-- Why
--     A loose index scan: one index probe for each contact instead of one row for each edge. PostgreSQL inlines this
--     function into the calling query and plans both together.
CREATE OR REPLACE FUNCTION connection_paths.edge_ends(
    above_contact_id bigint DEFAULT NULL,
    upto_contact_id bigint DEFAULT NULL
)
RETURNS TABLE (contact_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    WITH RECURSIVE smaller_ends (contact_id) AS (
        SELECT min(c.contact_a_id)
        FROM connection_paths.contact_connections AS c
        WHERE edge_ends.above_contact_id IS NULL OR c.contact_a_id > edge_ends.above_contact_id
        UNION ALL
        SELECT (
            SELECT min(c.contact_a_id)
            FROM connection_paths.contact_connections AS c
            WHERE c.contact_a_id > s.contact_id
        )
        FROM smaller_ends AS s
        WHERE s.contact_id IS NOT NULL
            AND (edge_ends.upto_contact_id IS NULL OR s.contact_id < edge_ends.upto_contact_id)
    )
    SELECT s.contact_id
    FROM smaller_ends AS s
    WHERE s.contact_id IS NOT NULL
        AND (edge_ends.upto_contact_id IS NULL OR s.contact_id <= edge_ends.upto_contact_id);
END;

COMMENT ON FUNCTION connection_paths.edge_ends(bigint, bigint) IS 'The contacts of a range that are the smaller end of an edge';

REVOKE ALL ON FUNCTION connection_paths.edge_ends(bigint, bigint) FROM PUBLIC;
