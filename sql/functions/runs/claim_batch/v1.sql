-- connection_paths.claim_batch(run_id)
--
-- Assigns to this session the next batch of a run that no living worker holds.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     One row, or no row when this session can claim nothing now: the run does not exist, is paused or is over; or
--     max_workers other workers already hold batches; or living workers hold all remaining batches.
--     batch_id          The batch. Pass it to do_batch and fail_batch.
--     attempt           How often the batch has been claimed. Pass it to do_batch and fail_batch.
--     above_contact_id  The batch begins above this contact id. NULL: no lower bound.
--     upto_contact_id   The batch ends with this contact id. NULL: no upper bound.
--     predicted_edges   About how many edges the batch has.
-- Errors
--     42501  The role of the session may not write to backfill_batches.
-- Reads
--     backfill_runs, backfill_batches
-- Writes
--     backfill_batches
-- Used by
--     orchestrator/runs/workers.py
-- Why
--     Commit the claim before you call do_batch. Otherwise a batch that kills its server process would also roll back
--     its claim, and nobody would see that a worker died. After five workers have died with a batch, this function
--     calls split_batch, as fail_batch does after an error.
--
--     When another worker claims a batch again, attempt increases. do_batch and fail_batch reject the older attempt, so
--     a worker that has lost its batch writes nothing.
--
--     The function locks the row of the run, so sessions claim batches of one run one after another. It skips a batch
--     whose row is locked, because the session of a dead worker may not have ended yet.
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
