-- connection_paths.lock_active_run(run_id)
--
-- Locks the row of a run that is running or paused, until the end of the transaction.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     The status of the run: running or paused.
-- Errors
--     02000  There is no such run.
--     55000  The run is over: cancelled or succeeded.
-- Reads
--     backfill_runs
-- Writes
--     none
-- Used by
--     pause_run, resume_run, set_max_workers
CREATE OR REPLACE FUNCTION connection_paths.lock_active_run(run_id bigint)
RETURNS text
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run record;
BEGIN
    SELECT r.status, r.is_active
    INTO run
    FROM connection_paths.backfill_runs AS r
    WHERE r.run_id = lock_active_run.run_id
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no run %', run_id
            USING ERRCODE = '02000', HINT = 'The view backfill_progress lists all runs.';
    END IF;
    IF NOT run.is_active THEN
        RAISE EXCEPTION 'run % is over: %', run_id, run.status
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Create another run: create_run.';
    END IF;
    RETURN run.status;
END
$function$;

COMMENT ON FUNCTION connection_paths.lock_active_run(bigint) IS 'Locks the row of a run that is running or paused; raises an error for other runs';

REVOKE ALL ON FUNCTION connection_paths.lock_active_run(bigint) FROM PUBLIC;
