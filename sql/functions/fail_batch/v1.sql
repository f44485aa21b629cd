-- connection_paths.fail_batch(run_id, batch_id, attempt, error, passing): says that do_batch failed.
--
-- error    what the server said
-- passing  whether it may well go by itself (a deadlock, a lock timeout): such a batch is tried again as it is, up to
--          five times; any other failure, or the fifth, splits it, and a single contact is set aside
-- Returns  'again', 'split' or 'set aside'.
--
-- Raises 55000 when the claim is not (or no longer) the caller's.
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
    failures_so_far integer;
BEGIN
    UPDATE connection_paths.backfill_batches AS b
    SET failures = b.failures + 1,
        status = 'pending',
        error = fail_batch.error
    WHERE b.run_id = fail_batch.run_id
        AND b.batch_id = fail_batch.batch_id
        AND b.attempts = fail_batch.attempt
        AND b.status = 'claimed'
    RETURNING b.failures INTO failures_so_far;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'batch % of run % is not claimed under attempt %', batch_id, run_id, attempt
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Claim another: claim_batch.';
    END IF;

    IF fail_batch.passing AND failures_so_far < 5 THEN
        RETURN 'again';
    END IF;
    RETURN connection_paths.split_batch(fail_batch.run_id, fail_batch.batch_id, fail_batch.error);
END
$function$;

COMMENT ON FUNCTION connection_paths.fail_batch(bigint, bigint, integer, text, boolean) IS 'Says that a batch failed: it is tried again, split, or, a single contact, set aside';

REVOKE ALL ON FUNCTION connection_paths.fail_batch(bigint, bigint, integer, text, boolean) FROM PUBLIC;
