-- connection_paths.set_max_workers(run_id, max_workers)
--
-- Limits how many workers of all processes and machines may work on a run at the same time.
--
-- Parameters
--     run_id       The run. NULL is an unknown run.
--     max_workers  How many workers, 0 or more. NULL: no limit. Workers obey it when they claim the next batch.
-- Returns
--     Nothing.
-- Errors
--     02000  There is no such run.
--     23514  max_workers is negative.
--     55000  The run is over: cancelled or succeeded.
-- Reads
--     none
-- Writes
--     backfill_runs
-- Used by
--     operators, orchestrator/runs/runs.py
CREATE OR REPLACE FUNCTION connection_paths.set_max_workers(run_id bigint, max_workers integer)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM connection_paths.lock_active_run(set_max_workers.run_id);
    UPDATE connection_paths.backfill_runs AS r
    SET max_workers = set_max_workers.max_workers
    WHERE r.run_id = set_max_workers.run_id;
END
$function$;

COMMENT ON FUNCTION connection_paths.set_max_workers(bigint, integer) IS 'Limits how many workers may work on a run at the same time; NULL: no limit';

REVOKE ALL ON FUNCTION connection_paths.set_max_workers(bigint, integer) FROM PUBLIC;
