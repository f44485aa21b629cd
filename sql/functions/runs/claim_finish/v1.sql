-- connection_paths.claim_finish(run_id)
--
-- Assigns the last steps of a run to this session, unless another living worker has them.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     true when this session has to do the last steps. They stay assigned to it until the session ends.
--     false when another living worker has them, or when the run is paused, finished or does not exist.
-- Errors
--     42501  The role of the session may not write to backfill_batches.
-- Reads
--     backfill_runs
-- Writes
--     backfill_runs
-- Used by
--     orchestrator/runs/driver.py
-- Why
--     The last steps are: clean up after a cancellation; for a rebuild, build indexes and exchange the tables; then
--     finish_run. The function stores the number of the worker in the row of the run, so the caller needs the privilege
--     to update backfill_runs. An advisory lock alone would not be enough, because any role that can connect can take
--     one. When the stored worker has died, another one may take its place.
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

COMMENT ON FUNCTION connection_paths.claim_finish(bigint) IS 'Assigns the last steps of a run to this session, unless another living worker has them';

REVOKE ALL ON FUNCTION connection_paths.claim_finish(bigint) FROM PUBLIC;
