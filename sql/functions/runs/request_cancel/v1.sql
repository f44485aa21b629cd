-- connection_paths.request_cancel(run_id)
--
-- Cancels a run at once, without dropping the tables of a rebuild: cancel_run drops them.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     true when the run was running or paused. false when it was already over, or when there is no such run.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     backfill_runs
-- Used by
--     cancel_run, orchestrator/runs/runs.py
-- Why
--     cancel_run may have to wait until the batches in progress have ended. Call this function before it, in another
--     transaction. After its COMMIT no worker begins another batch, so the wait is short. `orchestrator backfill` calls
--     cancel_run for the run that it works on.
CREATE OR REPLACE FUNCTION connection_paths.request_cancel(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE connection_paths.backfill_runs AS r
    SET status = 'cancelled'
    WHERE r.run_id = request_cancel.run_id AND r.is_active;
    RETURN FOUND;
END
$function$;

COMMENT ON FUNCTION connection_paths.request_cancel(bigint) IS 'Cancels a run at once; cancel_run then drops the tables of a rebuild';

REVOKE ALL ON FUNCTION connection_paths.request_cancel(bigint) FROM PUBLIC;
