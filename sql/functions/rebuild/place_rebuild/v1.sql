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
--     none
-- Used by
--     prepare_rebuild
-- Why
--     On one server, there is nothing to do. install --distributed replaces this function by one that makes
--     contact_connections_next a distributed table of Citus.
CREATE OR REPLACE FUNCTION connection_paths.place_rebuild()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN;
END
$function$;

COMMENT ON FUNCTION connection_paths.place_rebuild() IS 'Puts contact_connections_next on the servers that store the edges; part of prepare_rebuild';

REVOKE ALL ON FUNCTION connection_paths.place_rebuild() FROM PUBLIC;
