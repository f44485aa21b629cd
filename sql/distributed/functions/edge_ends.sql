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
--     Each worker finds the smaller ends of its own edges.
CREATE OR REPLACE FUNCTION connection_paths.edge_ends(
    above_contact_id bigint DEFAULT NULL,
    upto_contact_id bigint DEFAULT NULL
)
RETURNS TABLE (contact_id bigint)
LANGUAGE plpgsql
STABLE
PARALLEL RESTRICTED
SECURITY INVOKER
ROWS 100000
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = auto -- Citus cannot plan a statement whose parameters it does not know
AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT DISTINCT c.contact_a_id
    FROM connection_paths.contact_connections AS c
    WHERE (above_contact_id IS NULL OR c.contact_a_id > above_contact_id)
        AND (upto_contact_id IS NULL OR c.contact_a_id <= upto_contact_id);
END
$function$;

COMMENT ON FUNCTION connection_paths.edge_ends(bigint, bigint) IS 'The contacts of a range that are the smaller end of an edge';

REVOKE ALL ON FUNCTION connection_paths.edge_ends(bigint, bigint) FROM PUBLIC;
