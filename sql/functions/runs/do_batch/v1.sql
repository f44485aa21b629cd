-- connection_paths.do_batch(run_id, batch_id, attempt): does a claimed batch, whole or not at all.
--
-- Edges, status and counters are one transaction, so the counters cannot lie, and a batch is done exactly once: the
-- fence refuses whoever lost its claim, and the row stays locked meanwhile.
--
-- attempt  what claim_batch gave
-- Returns  how many edges were changed (for a rebuild: inserted).
--
-- Raises CP001 when the claim is not (or no longer) the caller's. That is a SQLSTATE of the package's own: whatever
-- else is raised comes from the work on the batch, for example from a trigger of the application's, and means that the
-- batch has failed. Raises CP004 when the table of the rebuild is not there, and 25001 unless the transaction is READ
-- COMMITTED.
CREATE OR REPLACE FUNCTION connection_paths.do_batch(run_id bigint, batch_id bigint, attempt integer)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    batch record;
    edges bigint;
BEGIN
    IF EXISTS (
        SELECT
        FROM connection_paths.backfill_runs AS r
        WHERE r.run_id = do_batch.run_id AND r.strategy = 'rebuild'
    ) THEN
        PERFORM connection_paths.require_read_committed();
        PERFORM connection_paths.require_rebuild(do_batch.run_id);
        -- before the run's status is read: no cancellation can then exchange the table for that of another run
        LOCK TABLE connection_paths.contact_connections_next IN ROW EXCLUSIVE MODE;
    END IF;

    SELECT b.above_contact_id, b.upto_contact_id, r.strategy
    INTO batch
    FROM connection_paths.backfill_batches AS b
    JOIN connection_paths.backfill_runs AS r ON r.run_id = b.run_id
    WHERE b.run_id = do_batch.run_id
        AND b.batch_id = do_batch.batch_id
        AND b.attempts = do_batch.attempt
        AND b.status = 'claimed'
        AND r.status IN ('running', 'paused')
    FOR UPDATE OF b;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'batch % of run % is not claimed under attempt %', batch_id, run_id, attempt
            USING ERRCODE = 'CP001', HINT = 'Claim another: claim_batch.';
    END IF;

    IF batch.strategy = 'rebuild' THEN
        edges := connection_paths.rebuild_range(batch.above_contact_id, batch.upto_contact_id);
    ELSE
        edges := connection_paths.refresh_range(batch.above_contact_id, batch.upto_contact_id);
    END IF;

    UPDATE connection_paths.backfill_batches AS b
    SET status = 'done',
        edges_changed = edges,
        finished_at = clock_timestamp(),
        error = NULL
    WHERE b.run_id = do_batch.run_id AND b.batch_id = do_batch.batch_id;
    RETURN edges;
END
$function$;

COMMENT ON FUNCTION connection_paths.do_batch(bigint, bigint, integer) IS 'Does a batch that was claimed: edges and books in one transaction; returns how many edges changed';

REVOKE ALL ON FUNCTION connection_paths.do_batch(bigint, bigint, integer) FROM PUBLIC;
