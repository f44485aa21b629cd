-- connection_paths.pause_run(run_id)
--
-- Pauses a run: no worker claims a batch of the run until resume_run is called.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     true when the run was running; false when it was already paused. Workers finish the batches that they hold.
-- Errors
--     02000  There is no such run.
--     55000  The run is over: cancelled or succeeded.
-- Reads
--     none
-- Writes
--     backfill_runs
-- Used by
--     operators, orchestrator/runs/runs.py
CREATE OR REPLACE FUNCTION connection_paths.pause_run(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF connection_paths.lock_active_run(pause_run.run_id) = 'paused' THEN
        RETURN false;
    END IF;
    UPDATE connection_paths.backfill_runs AS r SET status = 'paused' WHERE r.run_id = pause_run.run_id;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.pause_run(bigint) IS 'Pauses a run: no worker claims a batch of it until resume_run';

REVOKE ALL ON FUNCTION connection_paths.pause_run(bigint) FROM PUBLIC;
