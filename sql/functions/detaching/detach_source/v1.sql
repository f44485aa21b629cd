-- connection_paths.detach_source(table_name)
--
-- Detaches a table of the application, so that its columns can be altered or dropped.
--
-- Parameters
--     table_name  The source: contacts, organizations, contact_work_experiences or user_contact_collections, whatever
--                 the name of its table. Required.
-- Returns
--     true when this call has detached the table; false when it was already detached.
-- Errors
--     22023  table_name is none of the four.
--     55000  The binding view is missing or reads no table, or a column that it reads was renamed.
-- Reads
--     named_experiences
-- Writes
--     detached_sources
-- Used by
--     operators, orchestrator/detaching/detaching.py
-- Why
--     PostgreSQL refuses to change the type of a column, or to drop one, while a view reads it. This function replaces
--     the binding view by a view with the same columns that reads no table and raises CP010. Views and functions that
--     use the binding view stay. Until attach_source, finders that need the table and all functions that write edges
--     raise CP010. The edges and the triggers stay.
--
--     The function waits for transactions that read the view, and later transactions wait for it. So set lock_timeout.
--     The function needs the rights of the package's owner.
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
    binding_view record;
    columns text;
    grantee record;
BEGIN
    SELECT s.*, CASE s.view_name WHEN 'work_experiences' THEN to_regclass('connection_paths.named_experiences') END AS named
    INTO source
    FROM connection_paths.source_tables() AS s
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
    IF NOT connection_paths.capture_works(source.table_oid) THEN -- the stored definition would have the new name
        RAISE EXCEPTION 'a column of %.% was renamed', source.table_schema, source.relation_name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Rename it back, then detach.';
    END IF;

    INSERT INTO connection_paths.detached_sources
        (table_name, view_name, table_schema, relation_name, table_oid, view_definition, named_definition, triggers,
        indexes)
    SELECT
        detach_source.table_name,
        source.view_name,
        source.table_schema,
        source.relation_name,
        source.table_oid,
        pg_get_viewdef(source.view_oid),
        pg_get_viewdef(source.named),
        connection_paths.trigger_definitions(source.table_oid),
        connection_paths.index_definitions(source.table_oid);

    FOR binding_view IN
        SELECT c.oid, c.relname, c.relacl FROM pg_catalog.pg_class AS c WHERE c.oid IN (source.view_oid, source.named)
    LOOP
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
        WHERE a.attrelid = binding_view.oid AND a.attnum > 0 AND NOT a.attisdropped;
        EXECUTE pg_catalog.format(
            'CREATE OR REPLACE VIEW connection_paths.%I WITH (security_invoker = true) AS'
            ' SELECT * FROM connection_paths.raise_detached(%L) AS d (%s)',
            binding_view.relname,
            pg_catalog.format('%I.%I', source.table_schema, source.relation_name),
            columns
        );
        -- Every role that may read the view gets CP010, not an error about missing rights.
        FOR grantee IN
            SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::text END AS name
            FROM aclexplode(binding_view.relacl) AS a
            WHERE a.privilege_type = 'SELECT'
        LOOP
            EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION connection_paths.raise_detached(text) TO %s', grantee.name);
        END LOOP;
    END LOOP;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.detach_source(text) IS 'Detaches a table of the application, so that its columns can be altered; attach_source attaches it again';

REVOKE ALL ON FUNCTION connection_paths.detach_source(text) FROM PUBLIC;
