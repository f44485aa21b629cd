-- connection_paths.drop_rebuild(): removes all that a rebuild made and has not put in place.
--
-- Tables, triggers and notes of a rebuild that was cancelled, and the table that a finished one has replaced. Done
-- again, it does nothing. Dropping triggers waits for whoever is writing edges: set lock_timeout.
CREATE OR REPLACE FUNCTION connection_paths.drop_rebuild()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning -- not a notice for each thing that is not there
AS $function$
BEGIN
    DROP TABLE IF EXISTS connection_paths.contact_connections_next;
    DROP TABLE IF EXISTS connection_paths.contact_connections_old;
    -- asked first: even a DROP of what is not there waits for writers
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

COMMENT ON FUNCTION connection_paths.drop_rebuild() IS 'Removes the tables, triggers and notes that a rebuild has left';

REVOKE ALL ON FUNCTION connection_paths.drop_rebuild() FROM PUBLIC;
