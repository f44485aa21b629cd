-- connection_paths.prepare_rebuild()
--
-- Creates the table that a rebuild fills, and the triggers that record edges of other kinds.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     42501  The current role is not a member of the role that owns contact_connections.
--     55000  The table of the live edges cannot be exchanged: see require_exchangeable.
-- Reads
--     contact_connections
-- Writes
--     contact_connections_next, contact_connections_live, rebuild_missing_contacts
-- Used by
--     create_run
-- Why
--     contact_connections_next gets the columns and constraints of contact_connections and the tablespace, the storage
--     parameters and the owner of the live table. With that owner, every member of the role can continue the rebuild.
--     It gets indexes only when it is full. Everything that an earlier rebuild left is dropped first. The lock of
--     rebuild_missing_contacts keeps cancel_run, which drops the same objects, from running at the same time.
--
--     Edges of other kinds belong to the application, which writes them to the live table during a rebuild, too: see
--     watch_other_kinds. Creating its triggers waits for sessions that write edges, so callers set lock_timeout.
--
--     A partition that the application made for a kind of its own is neither read nor written. A CHECK constraint of
--     the application that is NOT VALID becomes valid, so edges that are copied must satisfy it.
CREATE OR REPLACE FUNCTION connection_paths.prepare_rebuild()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    caller text := current_setting('role');
    tablespace text := current_setting('default_tablespace');
    owner_role text;
BEGIN
    PERFORM connection_paths.require_exchangeable();
    SELECT pg_catalog.pg_get_userbyid(c.relowner)
    INTO owner_role
    FROM pg_catalog.pg_class AS c
    WHERE c.oid = 'connection_paths.contact_connections'::regclass;
    LOCK TABLE connection_paths.rebuild_missing_contacts IN SHARE ROW EXCLUSIVE MODE;
    PERFORM connection_paths.drop_rebuild();

    INSERT INTO connection_paths.rebuild_missing_contacts (contact_id)
    SELECT m.contact_id FROM connection_paths.missing_contacts() AS m;

    IF owner_role <> current_user THEN
        PERFORM pg_catalog.set_config('role', owner_role, true);
    END IF;
    PERFORM pg_catalog.set_config('default_tablespace', COALESCE(t.spcname, ''), true)
    FROM pg_catalog.pg_class AS c
    LEFT JOIN pg_catalog.pg_tablespace AS t ON t.oid = c.reltablespace
    WHERE c.oid = 'connection_paths.contact_connections_live'::regclass;
    CREATE TABLE connection_paths.contact_connections_next (
        LIKE connection_paths.contact_connections INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS
    );
    PERFORM pg_catalog.set_config('default_tablespace', tablespace, true);
    PERFORM connection_paths.copy_storage_parameters();
    -- the table is vacuumed and analysed once, when it is full
    ALTER TABLE connection_paths.contact_connections_next SET (autovacuum_enabled = false);
    -- default privileges may have granted something; edges are read and written through contact_connections only
    REVOKE ALL ON TABLE connection_paths.contact_connections_next FROM PUBLIC;
    COMMENT ON TABLE connection_paths.contact_connections_next IS 'The table of a rebuild in progress; becomes contact_connections_live';

    PERFORM connection_paths.watch_other_kinds();

    PERFORM pg_catalog.set_config('role', caller, true);
    PERFORM connection_paths.place_rebuild(); -- as the caller: the role that owns the table may be unable to log in
END
$function$;

COMMENT ON FUNCTION connection_paths.prepare_rebuild() IS 'Creates contact_connections_next and the triggers that record edges of other kinds; part of create_run';

REVOKE ALL ON FUNCTION connection_paths.prepare_rebuild() FROM PUBLIC;
