-- connection_paths.raise_detached(table_name): raises CP010; the binding view of a detached table reads from it.
--
-- It is a set-returning function in FROM, so the planner cannot prove the join empty and skip it: a query that needs a
-- detached table always fails.
--
-- table_name  the table, qualified and quoted
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

COMMENT ON FUNCTION connection_paths.raise_detached(text) IS 'What the binding view of a detached table reads: an error';

REVOKE ALL ON FUNCTION connection_paths.raise_detached(text) FROM PUBLIC;
