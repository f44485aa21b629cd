-- Returns the runs that need attention: those that are active, cancelled and not cleaned up, and the latest that
-- succeeded.
--
-- seconds            The age of the run.
-- is_alive           Whether a worker is connected, or a process has reported within 15 seconds.
-- set_aside          How many contacts were set aside; contact_id and error are those of one of them.
SELECT
    r.run_id,
    r.strategy,
    r.status,
    r.phase,
    extract(epoch FROM clock_timestamp() - r.created_at)::double precision AS seconds,
    EXISTS (SELECT FROM connection_paths.lock_holders('worker') AS h)
        OR EXISTS (
            SELECT
            FROM jsonb_each(r.processes) AS p
            WHERE (p.value ->> 'at')::timestamptz > clock_timestamp() - interval '15 s'
        ) AS is_alive,
    b.set_aside,
    b.contact_id,
    b.error
FROM connection_paths.backfill_runs AS r
CROSS JOIN LATERAL (
    SELECT
        count(*) AS set_aside,
        (array_agg(s.contact_id ORDER BY s.contact_id))[1] AS contact_id,
        (array_agg(s.error ORDER BY s.contact_id))[1] AS error
    FROM connection_paths.backfill_batches AS s
    WHERE s.run_id = r.run_id AND s.status = 'set aside'
) AS b
WHERE r.phase <> 'finished'
    OR r.run_id = (
        SELECT max(latest.run_id)
        FROM connection_paths.backfill_runs AS latest
        WHERE latest.phase = 'finished' AND latest.status <> 'cancelled'
    )
ORDER BY r.run_id
