-- connection_paths.claim_batch(run_id): the next batch of a run for this session.
--
-- The next is the first that is pending, or whose worker has died; the session becomes a worker. A claim is to be
-- committed before the batch is begun: it counts the attempt, so that a batch that kills its server process is seen
-- to do so. One that five workers have died with is taken for a failure.
--
-- run_id   the run; its status and max_workers are obeyed
-- attempt  the fence: do_batch and fail_batch want it, and refuse when somebody else has claimed the batch since
--
-- No row: nothing to do now. The run is finished, paused or cancelled, has as many workers as it may, or every batch
-- left is in the hands of a living worker. Claims of one run are made one after another.
CREATE OR REPLACE FUNCTION connection_paths.claim_batch(run_id bigint)
RETURNS TABLE (
    batch_id bigint,
    attempt integer,
    above_contact_id bigint,
    upto_contact_id bigint,
    predicted_edges bigint
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    worker CONSTANT integer := connection_paths.register_worker();
    living integer[];
    run record;
    found_batch record;
BEGIN
    SELECT r.status, r.max_workers
    INTO run
    FROM connection_paths.backfill_runs AS r
    WHERE r.run_id = claim_batch.run_id
    FOR NO KEY UPDATE;
    IF NOT FOUND OR run.status <> 'running' THEN
        RETURN;
    END IF;

    living := ARRAY(SELECT h.id::integer FROM connection_paths.lock_holders('worker') AS h);

    IF run.max_workers <= (
        SELECT count(*)
        FROM connection_paths.backfill_batches AS b
        WHERE b.run_id = claim_batch.run_id
            AND b.status = 'claimed'
            AND b.worker_id = ANY (living)
            AND b.worker_id <> worker
    ) THEN
        RETURN;
    END IF;

    LOOP
        SELECT b.*
        INTO found_batch
        FROM connection_paths.backfill_batches AS b
        WHERE b.run_id = claim_batch.run_id
            AND (b.status = 'pending' OR b.status = 'claimed' AND (b.worker_id = ANY (living)) IS NOT TRUE)
        ORDER BY b.above_contact_id NULLS FIRST
        LIMIT 1
        -- somebody may still be at it whose session has just ended
        FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        EXIT WHEN found_batch.status = 'pending' OR found_batch.deaths < 4;

        PERFORM connection_paths.split_batch(claim_batch.run_id, found_batch.batch_id, 'its worker died, five times');
    END LOOP;

    RETURN QUERY
    UPDATE connection_paths.backfill_batches AS b
    SET status = 'claimed',
        attempts = b.attempts + 1,
        deaths = b.deaths + CASE found_batch.status WHEN 'claimed' THEN 1 ELSE 0 END,
        worker_id = worker,
        claimed_at = clock_timestamp()
    WHERE b.run_id = claim_batch.run_id AND b.batch_id = found_batch.batch_id
    RETURNING b.batch_id, b.attempts, b.above_contact_id, b.upto_contact_id, b.predicted_edges;
END
$function$;

COMMENT ON FUNCTION connection_paths.claim_batch(bigint) IS 'Claims the next batch of a run for this session; no row when there is nothing to do now';

REVOKE ALL ON FUNCTION connection_paths.claim_batch(bigint) FROM PUBLIC;
