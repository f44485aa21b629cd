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
--     detach_source, recover_capture, orchestrator/host/sources.py, sql/queries/changes/changes_left.sql,
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
            VALUES :contacts.captured_types, :organizations.captured_types, :contact_work_experiences.captured_types
        ) AS r (source, column_name, type_names) ON r.source = CASE
            WHEN p.proname = 'queue_changed_experiences' THEN 'contact_work_experiences'
            -- the argument of the trigger: what the table contains
            WHEN p.proname = 'queue_added_or_removed' THEN rtrim(encode(t.tgargs, 'escape'), '\0') || 's'
        END
        LEFT JOIN pg_catalog.pg_attribute AS a
            ON a.attrelid = t.tgrelid AND a.attname = r.column_name AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid
        WHERE t.tgrelid = capture_works.table_oid
            AND (
                a.attname IS NULL
                OR format_type(a.atttypid, NULL) <> ALL (r.type_names) AND y.typtype <> 'd' -- a domain over some id type
                OR NOT has_table_privilege(p.proowner, 'connection_paths.contact_changes'::pg_catalog.regclass, 'INSERT')
            )
    )
$function$;

COMMENT ON FUNCTION connection_paths.capture_works(oid) IS 'Whether the triggers of a table can queue its changes';

REVOKE ALL ON FUNCTION connection_paths.capture_works(oid) FROM PUBLIC;
