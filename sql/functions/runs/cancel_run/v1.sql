-- connection_paths.cancel_run(run_id)
--
-- Cancels a run and drops the tables that a rebuild has made.
--
-- Parameters
--     run_id  The run. NULL is an unknown run.
-- Returns
--     True when the run was running, paused, or cancelled and not cleaned up; false for any other run.
--     Edges that an in-place run has corrected stay. For a rebuild, the function waits for batches that are being done.
-- Errors
--     25001  The transaction is not READ COMMITTED.
-- Reads
--     backfill_runs, rebuild_missing_contacts
-- Writes
--     backfill_runs
-- Used by
--     operators, orchestrator/runs/driver.py, orchestrator/runs/runs.py
-- Why
--     prepare_rebuild takes the same lock on rebuild_missing_contacts, so no rebuild makes its tables while the tables
--     of another are dropped. The next rebuild may have begun before this run is cleaned up: the tables are its own
--     then, and they are kept.
CREATE OR REPLACE FUNCTION connection_paths.cancel_run(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run record;
BEGIN
    PERFORM connection_paths.require_read_committed();
    LOCK TABLE connection_paths.rebuild_missing_contacts IN SHARE ROW EXCLUSIVE MODE;
    PERFORM connection_paths.request_cancel(cancel_run.run_id);
    UPDATE connection_paths.backfill_runs AS r
    SET phase = 'finished', finished_at = COALESCE(r.finished_at, clock_timestamp())
    WHERE r.run_id = cancel_run.run_id AND r.status = 'cancelled' AND r.phase <> 'finished'
    RETURNING r.strategy INTO run;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF run.strategy = 'rebuild' AND NOT EXISTS (
        -- the next rebuild, which owns the tables by now
        SELECT
        FROM connection_paths.backfill_runs AS r
        WHERE r.strategy = 'rebuild' AND r.status IN ('running', 'paused')
    ) THEN
        PERFORM connection_paths.drop_rebuild();
    END IF;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.cancel_run(bigint) IS 'Cancels a run and drops the tables that a rebuild has made';

REVOKE ALL ON FUNCTION connection_paths.cancel_run(bigint) FROM PUBLIC;
