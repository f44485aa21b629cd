-- connection_paths.do_batch(run_id, batch_id, attempt)
--
-- Computes and writes the edges of a claimed batch, and marks the batch as done in the same transaction.
--
-- Parameters
--     run_id    The run. Required.
--     batch_id  The batch that claim_batch returned. Required.
--     attempt   The attempt that claim_batch returned. Required.
-- Returns
--     The number of edges that were inserted, updated or deleted.
-- Errors
--     25001  The run is a rebuild and the transaction is not READ COMMITTED.
--     CP001  The caller does not hold the batch: it never claimed it, another worker has claimed it since, or the run
--            is over.
--     CP004  The table that the rebuild fills does not exist.
-- Reads
--     backfill_runs, backfill_batches, contact_connections_next
-- Writes
--     backfill_batches
-- Used by
--     orchestrator/runs/workers.py
-- Why
--     One transaction writes the edges and the status of the batch. So the counters of a batch always match its edges,
--     and each batch is done exactly once.
--
--     After CP001 the caller claims another batch. After CP004 the caller cancels the run. Every other error comes from
--     the work on the batch, for example from a trigger of the application. The caller then calls fail_batch.
CREATE OR REPLACE FUNCTION connection_paths.do_batch(run_id bigint, batch_id bigint, attempt integer)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run_strategy text;
    batch record;
    edges bigint;
BEGIN
    SELECT r.strategy
    INTO run_strategy
    FROM connection_paths.backfill_runs AS r
    WHERE r.run_id = do_batch.run_id;
    IF run_strategy = 'rebuild' THEN
        PERFORM connection_paths.require_read_committed();
        PERFORM connection_paths.require_rebuild(do_batch.run_id);
        -- This lock comes before the query that reads the status of the run. While it is held, cancel_run cannot drop
        -- the table, so no other run can create a table of the same name.
        LOCK TABLE connection_paths.contact_connections_next IN ROW EXCLUSIVE MODE;
    END IF;

    SELECT b.above_contact_id, b.upto_contact_id
    INTO batch
    FROM connection_paths.backfill_batches AS b
    JOIN connection_paths.backfill_runs AS r ON r.run_id = b.run_id
    WHERE b.run_id = do_batch.run_id
        AND b.batch_id = do_batch.batch_id
        AND b.attempts = do_batch.attempt
        AND b.status = 'claimed'
        AND r.is_active
    FOR UPDATE OF b;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'batch % of run % is not claimed under attempt %', batch_id, run_id, attempt
            USING ERRCODE = 'CP001', HINT = 'Claim another batch: claim_batch.';
    END IF;

    IF run_strategy = 'rebuild' THEN
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

COMMENT ON FUNCTION connection_paths.do_batch(bigint, bigint, integer) IS 'Computes and writes the edges of a claimed batch and marks it as done; returns how many edges changed';

REVOKE ALL ON FUNCTION connection_paths.do_batch(bigint, bigint, integer) FROM PUBLIC;
