-- connection_paths.capture_works(table_oid)
--
-- Checks whether the triggers of a table can queue its changes.
--
-- Parameters
--     table_oid  A table of the application. It need not exist.
-- Returns
--     true when the columns that the triggers read exist with the types that they need, and the owner of the trigger
--     functions may write to the queue. Also true when the table does not exist or has no triggers of the package.
-- Errors
--     none
-- Reads
--     contact_changes
-- Writes
--     none
-- Used by
--     recover_capture, orchestrator/host/sources.py, sql/queries/changes/changes_left.sql,
--     sql/queries/host/capture_failures.sql
CREATE OR REPLACE FUNCTION connection_paths.capture_works(table_oid oid)
RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_trigger AS t
        JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace AND n.nspname = 'connection_paths'
        JOIN (
            VALUES
                ('queue_added_or_removed'::text, 'id'::text, 'bigint'::text),
                ('queue_changed_experiences', 'contact_id', 'bigint'),
                ('queue_changed_experiences', 'organization_id', NULL),
                ('queue_changed_experiences', 'date_from', NULL),
                ('queue_changed_experiences', 'date_to', NULL)
        ) AS r (function_name, column_name, type_name) ON r.function_name = p.proname
        LEFT JOIN pg_catalog.pg_attribute AS a
            ON a.attrelid = t.tgrelid AND a.attname = r.column_name AND a.attnum > 0 AND NOT a.attisdropped
        WHERE t.tgrelid = capture_works.table_oid
            AND (
                a.attname IS NULL
                OR r.type_name <> format_type(a.atttypid, NULL)
                OR NOT has_table_privilege(p.proowner, 'connection_paths.contact_changes'::pg_catalog.regclass, 'INSERT')
            )
    )
$function$;

COMMENT ON FUNCTION connection_paths.capture_works(oid) IS 'Whether the triggers of a table can queue its changes';

REVOKE ALL ON FUNCTION connection_paths.capture_works(oid) FROM PUBLIC;
