-- connection_paths.split_batch(run_id, batch_id, error)
--
-- Splits a batch that fails into two halves, or sets it aside when it has at most one contact.
--
-- Parameters
--     run_id    The run. The caller has locked its row FOR NO KEY UPDATE. Required.
--     batch_id  The batch, which is claimed. The caller has locked its row after the row of the run. Required.
--     error     The reason: the message of the server, or how many workers died.
-- Returns
--     'split': both halves are pending. The lower half keeps the id of the batch, its attempts and its failures. The
--     upper half is a new batch. deaths and retries of both are 0.
--     'set aside': the batch had one contact or none, and the run continues without it.
-- Errors
--     none
-- Reads
--     backfill_batches, live_contacts
-- Writes
--     backfill_batches
-- Used by
--     claim_batch, fail_batch
-- Why
--     When the halves are split again and again, the contact that causes the error is alone in a batch at the end.
--     The function splits at the middle of the contacts that exist or are the smaller end of an edge.
--
--     The lock of the run's row makes sure that one split is committed before the next one begins. The foreign key
--     backfill_batches_no_gap is checked at COMMIT: the lower bound of a batch must be the upper bound of another. It
--     would not find a bound that another open transaction has written.
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
        SELECT e.contact_id
        FROM connection_paths.edge_ends(batch.above_contact_id, batch.upto_contact_id) AS e
        ORDER BY 1
    );
    IF cardinality(contacts) < 2 THEN
        PERFORM connection_paths.set_aside_batch(
            split_batch.run_id, split_batch.batch_id, contacts[1], split_batch.error
        );
        RETURN 'set aside';
    END IF;

    middle := contacts[cardinality(contacts) / 2];
    UPDATE connection_paths.backfill_batches AS b
    SET status = 'pending',
        upto_contact_id = middle,
        predicted_edges = batch.predicted_edges / 2,
        failures = b.failures + 1,
        deaths = 0,
        retries = 0, -- attempts stays, so that the claim that failed remains invalid
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

COMMENT ON FUNCTION connection_paths.split_batch(bigint, bigint, text) IS 'Splits a batch that fails into two halves, or sets its only contact aside';

REVOKE ALL ON FUNCTION connection_paths.split_batch(bigint, bigint, text) FROM PUBLIC;
