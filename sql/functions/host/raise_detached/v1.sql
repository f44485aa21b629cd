-- connection_paths.raise_detached(table_name)
--
-- Raises CP010; the binding view of a detached table reads from this function.
--
-- Parameters
--     table_name  The detached table, with its schema and quoted. Required.
-- Returns
--     Never: it always raises. The view that calls it lists the columns.
-- Errors
--     CP010  Always.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     detach_source
-- Why
--     It is a set-returning function in FROM. The planner cannot prove that it returns no rows, so every query that
--     needs a detached table fails.
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
