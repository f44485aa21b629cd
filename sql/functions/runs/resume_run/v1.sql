-- connection_paths.resume_run(run_id)
--
-- Resumes a paused run: workers claim batches of it again.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     true when the run was paused; false when it was already running.
-- Errors
--     02000  There is no such run.
--     55000  The run is over: cancelled or succeeded.
-- Reads
--     none
-- Writes
--     backfill_runs
-- Used by
--     operators, orchestrator/runs/runs.py
CREATE OR REPLACE FUNCTION connection_paths.resume_run(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF connection_paths.lock_active_run(resume_run.run_id) = 'running' THEN
        RETURN false;
    END IF;
    UPDATE connection_paths.backfill_runs AS r SET status = 'running' WHERE r.run_id = resume_run.run_id;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.resume_run(bigint) IS 'Resumes a paused run: workers claim batches of it again';

REVOKE ALL ON FUNCTION connection_paths.resume_run(bigint) FROM PUBLIC;
