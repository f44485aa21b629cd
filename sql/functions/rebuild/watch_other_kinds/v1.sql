-- connection_paths.watch_other_kinds()
--
-- Creates the triggers that record which edges of other kinds are written during a rebuild.
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
--     contact_connections_live
-- Used by
--     prepare_rebuild
-- Why
--     The application writes edges of other kinds to the live table during a rebuild, too. Triggers record these
--     writes, and copy_other_kinds copies the edges.
CREATE OR REPLACE FUNCTION connection_paths.watch_other_kinds()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    CREATE TRIGGER record_inserted
        AFTER INSERT ON connection_paths.contact_connections_live
        FOR EACH ROW WHEN (NEW.kind <> 'work_overlap')
        EXECUTE FUNCTION connection_paths.record_other_kind();
    CREATE TRIGGER record_updated
        AFTER UPDATE ON connection_paths.contact_connections_live
        FOR EACH ROW WHEN (OLD.kind <> 'work_overlap' OR NEW.kind <> 'work_overlap')
        EXECUTE FUNCTION connection_paths.record_other_kind();
    CREATE TRIGGER record_deleted
        AFTER DELETE ON connection_paths.contact_connections_live
        FOR EACH ROW WHEN (OLD.kind <> 'work_overlap')
        EXECUTE FUNCTION connection_paths.record_other_kind();
    CREATE TRIGGER refuse_truncate
        BEFORE TRUNCATE ON connection_paths.contact_connections_live
        EXECUTE FUNCTION connection_paths.record_other_kind();
END
$function$;

COMMENT ON FUNCTION connection_paths.watch_other_kinds() IS 'Creates the triggers that record which edges of other kinds are written during a rebuild; part of prepare_rebuild';

REVOKE ALL ON FUNCTION connection_paths.watch_other_kinds() FROM PUBLIC;
