-- connection_paths.split_batch(run_id, batch_id, error): halves a batch that fails, down to the contact at fault.
--
-- The contacts of the batch's range that exist or have edges are counted. Of several, the greater half becomes a batch
-- of its own; both halves are pending, and their deaths and retries begin at 0 again. The failure is counted with the
-- half that keeps the batch's number. A single contact is set aside with the error.
--
-- The caller holds the run's row FOR NO KEY UPDATE, locked before the batch's row. So one split of a run is committed
-- before the next begins: backfill_batches_no_gap looks for the neighbour's bound when a split commits, and would not
-- find a bound that another transaction has just made.
--
-- Returns  'split' or 'set aside'.
CREATE OR REPLACE FUNCTION connection_paths.split_batch(run_id bigint, batch_id bigint, error text)
RETURNS text
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    batch record;
    contacts bigint[];
    middle bigint;
BEGIN
    SELECT b.above_contact_id, b.upto_contact_id, b.predicted_edges
    INTO batch
    FROM connection_paths.backfill_batches AS b
    WHERE b.run_id = split_batch.run_id AND b.batch_id = split_batch.batch_id;

    contacts := ARRAY(
        SELECT c.id
        FROM connection_paths.live_contacts AS c
        WHERE (batch.above_contact_id IS NULL OR c.id > batch.above_contact_id)
            AND (batch.upto_contact_id IS NULL OR c.id <= batch.upto_contact_id)
        UNION
        SELECT c.contact_a_id
        FROM connection_paths.contact_connections AS c
        WHERE (batch.above_contact_id IS NULL OR c.contact_a_id > batch.above_contact_id)
            AND (batch.upto_contact_id IS NULL OR c.contact_a_id <= batch.upto_contact_id)
        ORDER BY 1
    );

    IF cardinality(contacts) < 2 THEN
        UPDATE connection_paths.backfill_batches AS b
        SET status = 'set aside',
            finished_at = clock_timestamp(),
            failures = b.failures + 1,
            edges_changed = 0,
            contact_id = contacts[1],
            error = split_batch.error
        WHERE b.run_id = split_batch.run_id AND b.batch_id = split_batch.batch_id;
        RETURN 'set aside';
    END IF;

    middle := contacts[cardinality(contacts) / 2];
    UPDATE connection_paths.backfill_batches AS b
    SET status = 'pending',
        upto_contact_id = middle,
        predicted_edges = batch.predicted_edges / 2,
        failures = b.failures + 1,
        deaths = 0, -- not the attempts: they are the fence
        retries = 0,
        error = split_batch.error
    WHERE b.run_id = split_batch.run_id AND b.batch_id = split_batch.batch_id;
    INSERT INTO connection_paths.backfill_batches
        (run_id, above_contact_id, upto_contact_id, predicted_edges, error)
    VALUES (
        split_batch.run_id,
        middle,
        batch.upto_contact_id,
        batch.predicted_edges - batch.predicted_edges / 2,
        split_batch.error
    );
    RETURN 'split';
END
$function$;

COMMENT ON FUNCTION connection_paths.split_batch(bigint, bigint, text) IS 'Halves a batch that fails, or sets its only contact aside';

REVOKE ALL ON FUNCTION connection_paths.split_batch(bigint, bigint, text) FROM PUBLIC;
