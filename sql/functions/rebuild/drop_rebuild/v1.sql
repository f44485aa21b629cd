-- connection_paths.drop_rebuild()
--
-- Drops everything that a rebuild created and that is not in use as the live edges.
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
--     contact_connections_live, rebuild_other_kinds, rebuild_replays, rebuild_missing_contacts
-- Used by
--     cancel_run, finish_run, prepare_rebuild, orchestrator/doctor/runs.py
-- Why
--     These are the tables, triggers and recorded rows of a cancelled rebuild, and the table that a finished rebuild
--     has replaced. A second call does nothing. Dropping triggers waits for sessions that write edges, so callers set
--     lock_timeout.
CREATE OR REPLACE FUNCTION connection_paths.drop_rebuild()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning -- no notice for each table that does not exist
AS $function$
BEGIN
    PERFORM connection_paths.redirect_searches(false); -- contact_connections_next cannot be dropped before
    DROP TABLE IF EXISTS connection_paths.contact_connections_next;
    DROP TABLE IF EXISTS connection_paths.contact_connections_old;
    -- This check comes first because even DROP TRIGGER IF EXISTS waits for writers.
    IF EXISTS (
        SELECT
        FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'connection_paths.contact_connections_live'::regclass AND t.tgname = 'refuse_truncate'
    ) THEN
        DROP TRIGGER record_inserted ON connection_paths.contact_connections_live;
        DROP TRIGGER record_updated ON connection_paths.contact_connections_live;
        DROP TRIGGER record_deleted ON connection_paths.contact_connections_live;
        DROP TRIGGER refuse_truncate ON connection_paths.contact_connections_live;
    END IF;
    DELETE FROM connection_paths.rebuild_other_kinds;
    DELETE FROM connection_paths.rebuild_replays;
    DELETE FROM connection_paths.rebuild_missing_contacts;
END
$function$;

COMMENT ON FUNCTION connection_paths.drop_rebuild() IS 'Drops the tables, triggers and recorded rows of a rebuild';

REVOKE ALL ON FUNCTION connection_paths.drop_rebuild() FROM PUBLIC;
