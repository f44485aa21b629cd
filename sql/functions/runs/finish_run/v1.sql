-- connection_paths.finish_run(run_id, receipt): marks a run as finished.
--
-- Its status becomes 'succeeded', or 'succeeded with exceptions' when batches were set aside. A rebuild must have been
-- swapped; what it replaced is dropped.
--
-- receipt  what to remember of it, for example latencies before and during; NULL: nothing
-- Returns  the status.
-- Raises   CP002 when there is something left to do, or the run was cancelled; 02000 for an unknown run.
--
-- Its commit is on disk before anybody can see it, whatever the session's synchronous_commit, and with it every commit
-- before. Where standbys are synchronous they have it, too. An asynchronous standby may not have it: after a failover
-- to that one the run goes on.
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
    IF current_setting('synchronous_commit') <> 'remote_apply' THEN -- which is more
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
    IF run.status = 'cancelled' OR (run.strategy = 'rebuild' AND run.phase <> 'swapped') THEN
        RAISE EXCEPTION 'run % is % and its phase %', run_id, run.status, run.phase
            USING ERRCODE = 'CP002';
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

COMMENT ON FUNCTION connection_paths.finish_run(bigint, jsonb) IS 'Says that a run is through: succeeded, or succeeded with exceptions';

REVOKE ALL ON FUNCTION connection_paths.finish_run(bigint, jsonb) FROM PUBLIC;
