-- connection_paths.detach_source(table_name)
--
-- Replaces the binding view of a table by one that raises an error, so that the columns of the table can be changed.
--
-- Parameters
--     table_name  'contacts', 'organizations', 'contact_work_experiences' or 'user_contact_collections'. Required.
-- Returns
--     true when the table was attached before; false when it was detached already.
-- Errors
--     22023  table_name is NULL or another name.
--     55000  The binding view does not exist or reads no table, or a column of the table was renamed.
-- Reads
--     detached_sources
-- Writes
--     detached_sources
-- Used by
--     orchestrator/host/detaching.py, operators
-- Why
--     PostgreSQL refuses to drop a column, or to change its type, while a view reads it. The view that replaces the
--     binding view has the same columns, so views and functions that use it stay. It reads no table and raises CP010.
--     So finders that need the table, and everything that writes edges, fail until attach_source. The edges and the
--     triggers stay.
--
--     The function waits for transactions that read the view, and other sessions wait behind it: set lock_timeout. The
--     caller needs the rights of the owner of the package.
CREATE OR REPLACE FUNCTION connection_paths.detach_source(table_name text)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    source record;
    columns text;
    grantee record;
BEGIN
    SELECT s.view_name, v.oid AS view_oid, v.relacl, t.oid AS table_oid, n.nspname::text AS table_schema
    INTO source
    FROM (
        VALUES
            ('contacts'::text, 'live_contacts'::text),
            ('organizations', 'live_organizations'),
            ('contact_work_experiences', 'work_experiences'),
            ('user_contact_collections', 'collection_members')
    ) AS s (table_name, view_name)
    LEFT JOIN pg_catalog.pg_class AS v
        ON v.oid = to_regclass('connection_paths.' || s.view_name) AND v.relkind = 'v'
    LEFT JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid
    LEFT JOIN pg_catalog.pg_depend AS d
        ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        AND d.objid = r.oid
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.refobjid <> v.oid
    LEFT JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
    WHERE s.table_name = detach_source.table_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'table_name must not be %', COALESCE(quote_literal(detach_source.table_name), 'null')
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Use contacts, organizations, contact_work_experiences or user_contact_collections.';
    END IF;
    IF EXISTS (
        SELECT FROM connection_paths.detached_sources AS s WHERE s.table_name = detach_source.table_name
    ) THEN
        RETURN false;
    END IF;
    IF source.table_oid IS NULL THEN
        RAISE EXCEPTION 'view connection_paths.% reads no table', source.view_name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run orchestrator install.';
    END IF;
    IF EXISTS (
        SELECT
        FROM pg_catalog.pg_attribute AS v
        WHERE v.attrelid = source.view_oid
            AND v.attnum > 0
            AND NOT EXISTS (
                SELECT
                FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = source.table_oid AND a.attname = v.attname AND NOT a.attisdropped
            )
    ) THEN -- the stored definition of the view would have the new name
        RAISE EXCEPTION 'a column of %.% was renamed', source.table_schema, detach_source.table_name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Rename it back, then detach.';
    END IF;

    INSERT INTO connection_paths.detached_sources
        (table_name, view_name, table_schema, table_oid, view_definition, triggers, indexes)
    VALUES (
        detach_source.table_name,
        source.view_name,
        source.table_schema,
        source.table_oid,
        pg_get_viewdef(source.view_oid),
        connection_paths.trigger_statements(source.table_oid),
        connection_paths.index_statements(source.table_oid)
    );

    SELECT
        string_agg(
            pg_catalog.format(
                '%I %s%s',
                a.attname,
                format_type(a.atttypid, a.atttypmod),
                CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || a.attcollation::pg_catalog.regcollation END
            ),
            ', ' ORDER BY a.attnum
        )
    INTO columns
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = source.view_oid AND a.attnum > 0 AND NOT a.attisdropped;
    EXECUTE pg_catalog.format(
        'CREATE OR REPLACE VIEW connection_paths.%I WITH (security_invoker = true) AS'
        ' SELECT * FROM connection_paths.raise_detached(%L) AS d (%s)',
        source.view_name,
        pg_catalog.format('%I.%I', source.table_schema, detach_source.table_name),
        columns
    );
    -- every role that may read the view must get this error, and not one about rights
    FOR grantee IN
        SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::text END AS name
        FROM aclexplode(source.relacl) AS a
        WHERE a.privilege_type = 'SELECT'
    LOOP
        EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION connection_paths.raise_detached(text) TO %s', grantee.name);
    END LOOP;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.detach_source(text) IS 'Detaches a table of the application, so that its columns can be changed; attach_source attaches it again';

REVOKE ALL ON FUNCTION connection_paths.detach_source(text) FROM PUBLIC;
