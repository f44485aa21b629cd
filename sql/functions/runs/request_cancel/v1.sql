-- connection_paths.request_cancel(run_id)
--
-- Makes a run cancelled at once, and leaves its tables for cancel_run to drop.
--
-- Parameters
--     run_id  The run. NULL is an unknown run.
-- Returns
--     True when the run was running or paused; false when it was over already, or when there is no such run.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     backfill_runs
-- Used by
--     cancel_run, orchestrator/runs/runs.py
-- Why
--     cancel_run may have to wait for batches that are being done. A caller that commits this function first stops all
--     workers before that wait begins. A run in this state is cleaned up by cancel_run, which `orchestrator backfill`
--     also calls for the run that it works on.
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
    WHERE r.run_id = request_cancel.run_id AND r.status IN ('running', 'paused');
    RETURN FOUND;
END
$function$;

COMMENT ON FUNCTION connection_paths.request_cancel(bigint) IS 'Makes a run cancelled at once; cancel_run then drops what a rebuild has made';

REVOKE ALL ON FUNCTION connection_paths.request_cancel(bigint) FROM PUBLIC;
