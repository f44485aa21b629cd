-- connection_paths.trigger_definitions(table_oid)
--
-- Returns the statements that create the triggers of the package on a table of the application.
--
-- Parameters
--     table_oid  The table. Required.
-- Returns
--     An array with one text for each trigger; an empty array when the table has none. For a trigger that fires for
--     replicated rows, the text contains a second statement, which enables this.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     detach_source
CREATE OR REPLACE FUNCTION connection_paths.trigger_definitions(table_oid oid)
RETURNS text[]
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT COALESCE(array_agg(d.statements ORDER BY d.tgname), '{}')
    FROM (
        SELECT
            t.tgname,
            pg_catalog.pg_get_triggerdef(t.oid)
            || CASE
                WHEN t.tgenabled IN ('R', 'A') THEN
                    pg_catalog.format(
                        '; ALTER TABLE %I.%I ENABLE %s TRIGGER %I',
                        n.nspname,
                        c.relname,
                        CASE t.tgenabled WHEN 'R' THEN 'REPLICA' ELSE 'ALWAYS' END,
                        t.tgname
                    )
                ELSE ''
            END AS statements
        FROM pg_catalog.pg_trigger AS t
        JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
        WHERE t.tgrelid = trigger_definitions.table_oid
            AND NOT t.tgisinternal
            AND p.pronamespace = 'connection_paths'::pg_catalog.regnamespace
    ) AS d;
END;

COMMENT ON FUNCTION connection_paths.trigger_definitions(oid) IS 'The statements that create the package''s triggers on a table of the application';

REVOKE ALL ON FUNCTION connection_paths.trigger_definitions(oid) FROM PUBLIC;
