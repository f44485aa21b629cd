-- connection_paths.claim_finish(run_id)
--
-- Gives this session the right to do what comes after the last batch of a run, unless another living worker has it.
--
-- Parameters
--     run_id  The run. NULL is an unknown run.
-- Returns
--     True when this session has the right now. It keeps the right until it ends.
--     False when another living worker has it, or when the run is paused, finished or unknown.
-- Errors
--     42501  The role of the session may not write to backfill_batches.
-- Reads
--     backfill_runs
-- Writes
--     backfill_runs
-- Used by
--     orchestrator/runs/driver.py
-- Why
--     The right is the worker's number in the row of the run, so taking it needs the privilege to update backfill_runs.
--     An advisory lock alone would not do: any role that can connect may take one. A number whose worker has died
--     counts as none.
CREATE OR REPLACE FUNCTION connection_paths.claim_finish(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own_id CONSTANT integer := connection_paths.register_worker();
    finisher integer;
BEGIN
    SELECT r.finishing_worker_id
    INTO finisher
    FROM connection_paths.backfill_runs AS r
    WHERE r.run_id = claim_finish.run_id AND r.status IN ('running', 'cancelled') AND r.phase <> 'finished'
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF finisher = own_id THEN
        RETURN true;
    END IF;
    IF finisher IN (SELECT h.id FROM connection_paths.lock_holders('worker') AS h) THEN
        RETURN false;
    END IF;
    UPDATE connection_paths.backfill_runs AS r SET finishing_worker_id = own_id WHERE r.run_id = claim_finish.run_id;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.claim_finish(bigint) IS 'Lets this session finish a run, unless another living worker does; returns whether it may';

REVOKE ALL ON FUNCTION connection_paths.claim_finish(bigint) FROM PUBLIC;
