-- connection_paths.place_rebuild()
--
-- Puts contact_connections_next on the servers that store the edges.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     contact_connections_next
-- Used by
--     prepare_rebuild
-- Why
--     The new table is distributed like the live one. So each worker fills its own shards, and the exchange moves no
--     row.
CREATE OR REPLACE FUNCTION connection_paths.place_rebuild()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM pg_catalog.create_distributed_table(
        'connection_paths.contact_connections_next', 'contact_a_id',
        colocate_with => 'connection_paths.contact_connections'
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.place_rebuild() IS 'Puts contact_connections_next on the servers that store the edges; part of prepare_rebuild';

REVOKE ALL ON FUNCTION connection_paths.place_rebuild() FROM PUBLIC;
