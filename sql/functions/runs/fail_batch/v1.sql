-- connection_paths.fail_batch(run_id, batch_id, attempt, error, passing): records that do_batch failed.
--
-- error    what the server said
-- passing  whether it may well go by itself (a deadlock, a lock timeout): such a batch is tried again as it is, up to
--          five times; any other failure, or the fifth, splits it, and a single contact is set aside
-- Returns  'again', 'split' or 'set aside'.
--
-- Locks the run's row first, as claim_batch does: splits of one run are made one after another.
--
-- Raises CP001 when the claim is not (or no longer) the caller's, 25001 unless the transaction is READ COMMITTED.
CREATE OR REPLACE FUNCTION connection_paths.fail_batch(
    run_id bigint,
    batch_id bigint,
    attempt integer,
    error text,
    passing boolean
)
RETURNS text
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
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
            USING ERRCODE = 'CP001', HINT = 'Claim another: claim_batch.';
    END IF;

    IF fail_batch.passing AND retries_so_far < 4 THEN
        UPDATE connection_paths.backfill_batches AS b
        SET status = 'pending',
            failures = b.failures + 1,
            retries = b.retries + 1,
            error = fail_batch.error
        WHERE b.run_id = fail_batch.run_id AND b.batch_id = fail_batch.batch_id;
        RETURN 'again';
    END IF;
    RETURN connection_paths.split_batch(fail_batch.run_id, fail_batch.batch_id, fail_batch.error);
END
$function$;

COMMENT ON FUNCTION connection_paths.fail_batch(bigint, bigint, integer, text, boolean) IS 'Says that a batch failed: it is tried again, split, or, a single contact, set aside';

REVOKE ALL ON FUNCTION connection_paths.fail_batch(bigint, bigint, integer, text, boolean) FROM PUBLIC;
