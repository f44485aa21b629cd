-- connection_paths.prepare_rebuild(): makes the table that a rebuild fills, and has other kinds' edges noted.
--
-- contact_connections_next is as contact_connections is, in its partition's tablespace and with its storage parameters,
-- and without indexes until it is full. Edges of other kinds are the application's and go on being written to the live
-- table: triggers there note which, from now on, and the swap carries them over. Making the triggers waits for whoever
-- is writing edges: set lock_timeout.
--
-- What an earlier rebuild may have left is removed first, never beside cancel_run. The new table belongs to whom the
-- live edges belong to, so that every member of that role can go on with it, and superusers do not take it away.
--
-- A partition of the application's own, for a kind of its own, stays where it is: a rebuild neither reads nor writes
-- it.
--
-- Raises 55000 when a foreign key of the application's refers to contact_connections: its rows could not be exchanged;
-- when something depends on contact_connections_live itself, such as a view of that, which would stay with the old
-- rows; when the kind work_overlap has another partition; and where the package is an extension, whose tables cannot be
-- exchanged. Raises 42501 for who is not a member of the role that the edges belong to.
-- A CHECK of the application's that is NOT VALID becomes valid, so edges that are carried over must satisfy it.
CREATE OR REPLACE FUNCTION connection_paths.prepare_rebuild()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    mine text := current_setting('role');
    tablespace text := current_setting('default_tablespace');
    owners text;
    hindrance text;
BEGIN
    SELECT pg_catalog.pg_get_userbyid(c.relowner)
    INTO owners
    FROM pg_catalog.pg_class AS c
    WHERE c.oid = 'connection_paths.contact_connections'::regclass;
    IF NOT pg_catalog.pg_has_role(owners, 'MEMBER') THEN
        RAISE EXCEPTION 'a rebuild exchanges tables, which only % and its members may', owners
            USING ERRCODE = 'insufficient_privilege', HINT = 'Use the strategy in_place.';
    END IF;
    IF EXISTS (
        SELECT
        FROM pg_catalog.pg_constraint AS k
        WHERE k.contype = 'f'
            AND k.confrelid IN (
                'connection_paths.contact_connections'::regclass, 'connection_paths.contact_connections_live'::regclass
            )
    ) THEN
        RAISE EXCEPTION 'a foreign key refers to contact_connections, which a rebuild would exchange'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Use the strategy in_place.';
    END IF;
    IF EXISTS (
        SELECT
        FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e'
            AND d.objid = 'connection_paths.contact_connections_live'::regclass
    ) THEN
        RAISE EXCEPTION 'contact_connections is part of an extension, and cannot be exchanged'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Use the strategy in_place.';
    END IF;
    SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
    INTO hindrance
    FROM pg_catalog.pg_depend AS d
    WHERE d.refclassid = 'pg_catalog.pg_class'::regclass
        AND d.refobjid = 'connection_paths.contact_connections_live'::regclass
        AND d.classid IN ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_proc'::regclass)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% depends on contact_connections_live, which a rebuild would exchange', hindrance
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'Let it use contact_connections, or use the strategy in_place.';
    END IF;
    SELECT c.oid::regclass
    INTO hindrance
    FROM pg_catalog.pg_inherits AS h
    JOIN pg_catalog.pg_class AS c ON c.oid = h.inhrelid
    WHERE h.inhparent = 'connection_paths.contact_connections'::regclass
        AND pg_catalog.strpos(pg_catalog.pg_get_expr(c.relpartbound, c.oid), '''work_overlap''') > 0
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% is the partition of the kind work_overlap, and a rebuild would not exchange it', hindrance
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Detach it, or use the strategy in_place.';
    END IF;
    LOCK TABLE connection_paths.rebuild_missing_contacts IN SHARE ROW EXCLUSIVE MODE;
    PERFORM connection_paths.drop_rebuild();

    INSERT INTO connection_paths.rebuild_missing_contacts (contact_id)
    SELECT m.contact_id FROM connection_paths.missing_contacts() AS m;

    IF owners <> current_user THEN
        PERFORM pg_catalog.set_config('role', owners, true);
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
    -- analysed and vacuumed once, when it is full
    ALTER TABLE connection_paths.contact_connections_next SET (autovacuum_enabled = false);
    -- whatever default privileges give: edges are read and written through contact_connections
    REVOKE ALL ON TABLE connection_paths.contact_connections_next FROM PUBLIC;
    COMMENT ON TABLE connection_paths.contact_connections_next IS 'A rebuild under way; becomes contact_connections_live';

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

    PERFORM pg_catalog.set_config('role', mine, true);
END
$function$;

COMMENT ON FUNCTION connection_paths.prepare_rebuild() IS 'Makes contact_connections_next and has edges of other kinds noted; part of create_run';

REVOKE ALL ON FUNCTION connection_paths.prepare_rebuild() FROM PUBLIC;
