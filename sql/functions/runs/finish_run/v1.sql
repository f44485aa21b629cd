-- connection_paths.finish_run(run_id, receipt)
--
-- Marks a run as succeeded after all of its batches are done or set aside.
--
-- Parameters
--     run_id   The run. Required.
--     receipt  A report to store with the run, for example latencies before and during it. NULL: none.
-- Returns
--     The status of the run: 'succeeded', or 'succeeded with exceptions' when batches were set aside. For a run that is
--     already finished, the function changes nothing and returns its status.
-- Errors
--     02000  There is no such run.
--     CP002  The run has batches that are not done, is cancelled, or is a rebuild whose tables are not exchanged.
-- Reads
--     backfill_runs, backfill_batches
-- Writes
--     backfill_runs
-- Used by
--     operators, orchestrator/runs/driver.py
-- Why
--     Workers may commit batches with synchronous_commit = off. This function sets it on for its own transaction. Its
--     COMMIT then waits until the WAL is on disk, with all earlier commits of the workers. So a crash of the server
--     does not undo a run that was reported as succeeded. Synchronous standbys have the commit, too. An asynchronous
--     standby may lack it. After a failover to such a standby, the run has the status running again.
CREATE OR REPLACE FUNCTION connection_paths.finish_run(run_id bigint, receipt jsonb DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run record;
    outcome text;
BEGIN
    IF current_setting('synchronous_commit') <> 'remote_apply' THEN -- remote_apply already waits longer than 'on'
        PERFORM pg_catalog.set_config('synchronous_commit', 'on', true);
    END IF;
    PERFORM connection_paths.require_batches_done(finish_run.run_id);
    SELECT r.strategy, r.status, r.phase
    INTO run
    FROM connection_paths.backfill_runs AS r
    WHERE r.run_id = finish_run.run_id
    FOR NO KEY UPDATE;
    IF run.phase = 'finished' THEN
        RETURN run.status;
    END IF;
    IF run.status = 'cancelled' OR (run.strategy = 'rebuild' AND run.phase <> 'exchanged') THEN
        RAISE EXCEPTION 'run % cannot be finished: its status is %, its phase %', run_id, run.status, run.phase
            USING ERRCODE = 'CP002', HINT = 'Run `orchestrator backfill`: it does the missing steps.';
    END IF;

    IF run.strategy = 'rebuild' THEN
        PERFORM connection_paths.drop_rebuild();
    END IF;
    SELECT CASE WHEN bool_or(b.status = 'set aside') THEN 'succeeded with exceptions' ELSE 'succeeded' END
    INTO outcome
    FROM connection_paths.backfill_batches AS b
    WHERE b.run_id = finish_run.run_id;
    UPDATE connection_paths.backfill_runs AS r
    SET status = outcome, phase = 'finished', finished_at = clock_timestamp(), receipt = finish_run.receipt
    WHERE r.run_id = finish_run.run_id;
    RETURN outcome;
END
$function$;

COMMENT ON FUNCTION connection_paths.finish_run(bigint, jsonb) IS 'Marks a run as succeeded, or as succeeded with exceptions when batches were set aside';

REVOKE ALL ON FUNCTION connection_paths.finish_run(bigint, jsonb) FROM PUBLIC;
