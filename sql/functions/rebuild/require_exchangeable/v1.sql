-- connection_paths.require_exchangeable()
--
-- Raises an error when a rebuild could not exchange the table of the live edges.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     42501  The current role is not a member of the role that owns contact_connections.
--     55000  A foreign key refers to contact_connections; or a view or a function depends on contact_connections_live
--            itself, and would read the old rows after the exchange; or the kind work_overlap has a partition of its
--            own; or the package is installed as an extension, whose tables cannot be exchanged.
-- Reads
--     contact_connections, contact_connections_live
-- Writes
--     none
-- Used by
--     prepare_rebuild
CREATE OR REPLACE FUNCTION connection_paths.require_exchangeable()
RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    owner_role text;
    hindrance text;
BEGIN
    SELECT pg_catalog.pg_get_userbyid(c.relowner)
    INTO owner_role
    FROM pg_catalog.pg_class AS c
    WHERE c.oid = 'connection_paths.contact_connections'::regclass;
    IF NOT pg_catalog.pg_has_role(owner_role, 'MEMBER') THEN
        RAISE EXCEPTION 'a rebuild exchanges tables, and only members of the role % may do that', owner_role
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
        RAISE EXCEPTION 'a foreign key refers to contact_connections, and a rebuild would exchange its rows'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Use the strategy in_place.';
    END IF;
    IF EXISTS (
        SELECT
        FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e'
            AND d.objid = 'connection_paths.contact_connections_live'::regclass
    ) THEN
        RAISE EXCEPTION 'contact_connections is part of an extension, and its table cannot be exchanged'
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
        RAISE EXCEPTION '% depends on contact_connections_live, and a rebuild would exchange that table', hindrance
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'Change it to use contact_connections, or use the strategy in_place.';
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
END
$function$;

COMMENT ON FUNCTION connection_paths.require_exchangeable() IS 'Raises when a rebuild could not exchange the table of the live edges; part of create_run';

REVOKE ALL ON FUNCTION connection_paths.require_exchangeable() FROM PUBLIC;
