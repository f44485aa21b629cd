-- connection_paths.set_aside_batch(run_id, batch_id, contact_id, error)
--
-- Sets a batch of at most one contact aside: the run continues without it.
--
-- Parameters
--     run_id      The run. Required.
--     batch_id    The batch, which is claimed. Required.
--     contact_id  The contact whose edges cannot be computed. NULL: the range of the batch has no contact.
--     error       The reason: the message of the server, or how many workers died.
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     backfill_batches
-- Used by
--     split_batch
CREATE OR REPLACE FUNCTION connection_paths.set_aside_batch(
    run_id bigint,
    batch_id bigint,
    contact_id bigint,
    error text
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE connection_paths.backfill_batches AS b
    SET status = 'set aside',
        finished_at = clock_timestamp(),
        failures = b.failures + 1,
        edges_changed = 0,
        contact_id = set_aside_batch.contact_id,
        error = set_aside_batch.error
    WHERE b.run_id = set_aside_batch.run_id AND b.batch_id = set_aside_batch.batch_id;
END
$function$;

COMMENT ON FUNCTION connection_paths.set_aside_batch(bigint, bigint, bigint, text) IS 'Sets a batch of a single contact aside with its error; part of split_batch';

REVOKE ALL ON FUNCTION connection_paths.set_aside_batch(bigint, bigint, bigint, text) FROM PUBLIC;
