-- connection_paths.trigger_statements(table_oid)
--
-- Returns the statements that create the triggers of the package on a table.
--
-- Parameters
--     table_oid  A table of the application. Required.
-- Returns
--     One statement per trigger; two, separated by a semicolon, when the trigger is ENABLE REPLICA or ENABLE ALWAYS. An
--     empty array when the table has no trigger of the package.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     detach_source
CREATE OR REPLACE FUNCTION connection_paths.trigger_statements(table_oid oid)
RETURNS text[]
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN ARRAY(
        SELECT
            pg_get_triggerdef(t.oid)
            || CASE
                WHEN t.tgenabled IN ('R', 'A') THEN
                    pg_catalog.format(
                        '; ALTER TABLE %s ENABLE %s TRIGGER %I',
                        t.tgrelid::regclass,
                        CASE t.tgenabled WHEN 'R' THEN 'REPLICA' ELSE 'ALWAYS' END,
                        t.tgname
                    )
                ELSE ''
            END
        FROM pg_catalog.pg_trigger AS t
        JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        WHERE t.tgrelid = trigger_statements.table_oid
            AND NOT t.tgisinternal
            AND p.pronamespace = 'connection_paths'::pg_catalog.regnamespace
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.trigger_statements(oid) IS 'The statements that create the triggers of the package on a table';

REVOKE ALL ON FUNCTION connection_paths.trigger_statements(oid) FROM PUBLIC;
