-- connection_paths.fail_batch(run_id, batch_id, attempt, error, is_transient)
--
-- Records that do_batch failed, and retries the batch, splits it, or sets its only contact aside.
--
-- Parameters
--     run_id        The run. Required.
--     batch_id      The batch that claim_batch returned. Required.
--     attempt       The attempt that claim_batch returned. Required.
--     error         The message of the server.
--     is_transient  true: a retry may succeed, for example after a deadlock or a lock timeout. The batch is then tried
--                   five times before it is split. false or NULL: the batch is split at once.
-- Returns
--     'retry': the batch is pending again. 'split': both halves of the batch are pending. 'set aside': the batch had at
--     most one contact, and the run continues without it.
-- Errors
--     25001  The transaction is not READ COMMITTED.
--     CP001  The caller does not hold the batch: it never claimed it, or another worker has claimed it since.
-- Reads
--     backfill_runs, backfill_batches
-- Writes
--     backfill_batches
-- Used by
--     orchestrator/runs/workers.py
-- Why
--     The function locks the row of the run before the row of the batch, as claim_batch does. So the batches of a run
--     are split one after another; split_batch explains why.
CREATE OR REPLACE FUNCTION connection_paths.fail_batch(
    run_id bigint,
    batch_id bigint,
    attempt integer,
    error text,
    is_transient boolean
)
RETURNS text
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    tries_allowed CONSTANT integer := 5;
    retries_so_far integer;
BEGIN
    PERFORM connection_paths.require_read_committed();
    PERFORM FROM connection_paths.backfill_runs AS r WHERE r.run_id = fail_batch.run_id FOR NO KEY UPDATE;

    SELECT b.retries
    INTO retries_so_far
    FROM connection_paths.backfill_batches AS b
    WHERE b.run_id = fail_batch.run_id
        AND b.batch_id = fail_batch.batch_id
        AND b.attempts = fail_batch.attempt
        AND b.status = 'claimed'
    FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'batch % of run % is not claimed under attempt %', batch_id, run_id, attempt
            USING ERRCODE = 'CP001', HINT = 'Claim another batch: claim_batch.';
    END IF;

    IF fail_batch.is_transient AND retries_so_far + 1 < tries_allowed THEN
        UPDATE connection_paths.backfill_batches AS b
        SET status = 'pending',
            failures = b.failures + 1,
            retries = b.retries + 1,
            error = fail_batch.error
        WHERE b.run_id = fail_batch.run_id AND b.batch_id = fail_batch.batch_id;
        RETURN 'retry';
    END IF;
    RETURN connection_paths.split_batch(fail_batch.run_id, fail_batch.batch_id, fail_batch.error);
END
$function$;

COMMENT ON FUNCTION connection_paths.fail_batch(bigint, bigint, integer, text, boolean) IS 'Records that a batch failed: it is retried, split, or, with a single contact, set aside';

REVOKE ALL ON FUNCTION connection_paths.fail_batch(bigint, bigint, integer, text, boolean) FROM PUBLIC;
