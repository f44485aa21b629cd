-- connection_paths.cancel_run(run_id)
--
-- Cancels a run, and drops the tables that the run has created when it is a rebuild.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     true when the run was running or paused, or when request_cancel has cancelled it and this function has not
--     been called for it since. false for other runs.
-- Errors
--     25001  The transaction is not READ COMMITTED.
-- Reads
--     backfill_runs, rebuild_missing_contacts
-- Writes
--     backfill_runs
-- Used by
--     operators, orchestrator/runs/runs.py
-- Why
--     The edges that a run in place has written stay. For a rebuild, the function waits until the batches in progress
--     have ended, because they hold locks on the table that it drops.
--
--     This function and prepare_rebuild both lock rebuild_missing_contacts. So no rebuild creates its tables while this
--     function drops the tables of another rebuild. All rebuilds use the same table names. When another rebuild is
--     already active, the tables belong to that rebuild, and this function does not drop them.
CREATE OR REPLACE FUNCTION connection_paths.cancel_run(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run_strategy text;
BEGIN
    PERFORM connection_paths.require_read_committed();
    LOCK TABLE connection_paths.rebuild_missing_contacts IN SHARE ROW EXCLUSIVE MODE;
    PERFORM connection_paths.request_cancel(cancel_run.run_id);
    UPDATE connection_paths.backfill_runs AS r
    SET phase = 'finished', finished_at = COALESCE(r.finished_at, clock_timestamp())
    WHERE r.run_id = cancel_run.run_id AND r.status = 'cancelled' AND r.phase <> 'finished'
    RETURNING r.strategy INTO run_strategy;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF run_strategy = 'rebuild' AND NOT EXISTS (
        -- another rebuild, to which the tables now belong
        SELECT
        FROM connection_paths.backfill_runs AS r
        WHERE r.is_active AND r.strategy = 'rebuild'
    ) THEN
        PERFORM connection_paths.drop_rebuild();
    END IF;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.cancel_run(bigint) IS 'Cancels a run and drops the tables that a rebuild has created';

REVOKE ALL ON FUNCTION connection_paths.cancel_run(bigint) FROM PUBLIC;
