-- connection_paths.raise_detached(table_name)
--
-- Raises CP010 for a query that reads the binding view of a detached table.
--
-- Parameters
--     table_name  The detached table, with its schema, quoted where necessary. Required.
-- Returns
--     Nothing: it always raises an error. The view that calls it lists the columns.
-- Errors
--     CP010  Always.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     detach_source
-- Why
--     The view has this set-returning function in FROM. The planner cannot prove that it returns no rows, so every
--     query that needs a detached table fails.
CREATE OR REPLACE FUNCTION connection_paths.raise_detached(table_name text)
RETURNS SETOF record
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION 'table % is detached from connection_paths', raise_detached.table_name
        USING ERRCODE = 'CP010',
            HINT = 'Run orchestrator attach, or SELECT * FROM connection_paths.attach_source(...).';
END
$function$;

COMMENT ON FUNCTION connection_paths.raise_detached(text) IS 'Raises CP010: the binding view of a detached table reads from it';

REVOKE ALL ON FUNCTION connection_paths.raise_detached(text) FROM PUBLIC;
