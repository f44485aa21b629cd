-- connection_paths.watch_other_kinds()
--
-- Does nothing: where Citus distributes the edges, nothing records which edges of other kinds are written.
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
--     On one server, triggers record these writes. A distributed table cannot have triggers. So copy_other_kinds copies
--     every edge of another kind again.
CREATE OR REPLACE FUNCTION connection_paths.watch_other_kinds()
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

COMMENT ON FUNCTION connection_paths.watch_other_kinds() IS 'Does nothing where Citus distributes the edges: its tables cannot have triggers; part of prepare_rebuild';

REVOKE ALL ON FUNCTION connection_paths.watch_other_kinds() FROM PUBLIC;
