-- connection_paths.claim_batch(run_id)
--
-- Gives this session the next batch of a run that no living worker has.
--
-- Parameters
--     run_id  The run. NULL is an unknown run.
-- Returns
--     One row: batch_id and attempt, which do_batch and fail_batch want; above_contact_id and upto_contact_id, the
--     range of contact ids (above, upto], NULL being no bound; predicted_edges, the expected size.
--     No row when there is nothing to claim now: the run is paused, over or unknown, has max_workers workers already,
--     or living workers have all remaining batches.
-- Errors
--     42501  The role of the session may not write to backfill_batches.
-- Reads
--     backfill_runs, backfill_batches
-- Writes
--     backfill_batches
-- Used by
--     orchestrator/runs/workers.py
-- Why
--     Commit the claim before the batch is begun: the claim counts the attempt, so that a batch that kills its server
--     process is recognised. After five workers have died with a batch, it is treated as a batch that fails.
--     The attempt is a fence: once another worker has claimed the batch, the earlier claim can write nothing.
--     The lock on the row of the run makes claims of one run happen one after another. A batch whose row is locked is
--     passed over, because the server may still be ending the session of its dead worker.
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
    deaths_allowed CONSTANT integer := 5;
    own_id CONSTANT integer := connection_paths.register_worker();
    living integer[];
    run record;
    batch record;
    died boolean;
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
            AND b.worker_id <> own_id
    ) THEN
        RETURN;
    END IF;

    LOOP
        SELECT b.*
        INTO batch
        FROM connection_paths.backfill_batches AS b
        WHERE b.run_id = claim_batch.run_id
            AND (b.status = 'pending' OR b.status = 'claimed' AND (b.worker_id = ANY (living)) IS NOT TRUE)
        ORDER BY b.above_contact_id NULLS FIRST
        LIMIT 1
        FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        died := batch.status = 'claimed';
        EXIT WHEN NOT died OR batch.deaths + 1 < deaths_allowed;

        PERFORM connection_paths.split_batch(
            claim_batch.run_id, batch.batch_id, deaths_allowed || ' workers died with this batch'
        );
    END LOOP;

    RETURN QUERY
    UPDATE connection_paths.backfill_batches AS b
    SET status = 'claimed',
        attempts = b.attempts + 1,
        deaths = b.deaths + died::integer,
        worker_id = own_id,
        claimed_at = clock_timestamp()
    WHERE b.run_id = claim_batch.run_id AND b.batch_id = batch.batch_id
    RETURNING b.batch_id, b.attempts, b.above_contact_id, b.upto_contact_id, b.predicted_edges;
END
$function$;

COMMENT ON FUNCTION connection_paths.claim_batch(bigint) IS 'Claims the next batch of a run for this session; no row when there is nothing to claim now';

REVOKE ALL ON FUNCTION connection_paths.claim_batch(bigint) FROM PUBLIC;
