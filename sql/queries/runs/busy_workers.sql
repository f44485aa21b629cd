-- Returns the living workers of a run that have a batch, and for how many seconds each has had it. Parameter: run_id.
SELECT
    b.worker_id,
    h.pid,
    b.batch_id,
    b.predicted_edges,
    extract(epoch FROM clock_timestamp() - b.claimed_at)::double precision AS seconds
FROM connection_paths.backfill_batches AS b
JOIN connection_paths.lock_holders('worker') AS h ON h.id = b.worker_id
WHERE b.run_id = %(run_id)s AND b.status = 'claimed'
ORDER BY b.worker_id
