-- connection_paths.raise_detached(table_name)
--
-- Raises the error that says that a table is detached.
--
-- Parameters
--     table_name  The table, qualified and quoted.
-- Returns
--     Nothing: the function always raises an error.
-- Errors
--     CP010  Always.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     detach_source
-- Why
--     The binding view of a detached table reads from this function. It is a set-returning function in FROM, so the
--     planner cannot prove that the result is empty and leave it out. So every query that needs the table fails.
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

COMMENT ON FUNCTION connection_paths.raise_detached(text) IS 'What the binding view of a detached table reads: it raises an error';

REVOKE ALL ON FUNCTION connection_paths.raise_detached(text) FROM PUBLIC;
