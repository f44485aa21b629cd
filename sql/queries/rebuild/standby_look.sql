-- Returns what keeps this standby from replaying an exchange of the edge table soon: one row.
--
-- Parameters: written (an LSN of the primary); seconds.
-- Columns
--     is_behind  The standby has not replayed the WAL up to written.
--     seconds    How long the oldest transaction here has been open that has locked the edge table; NULL when there is
--                none that is older than the parameter seconds.
--     pid        The process of that transaction.
SELECT
    COALESCE(pg_last_wal_replay_lsn() < %(written)s::pg_lsn, false) AS is_behind,
    a.seconds,
    a.pid
FROM (SELECT) AS one
LEFT JOIN LATERAL (
    SELECT extract(epoch FROM clock_timestamp() - b.xact_start)::float8 AS seconds, b.pid
    FROM pg_catalog.pg_locks AS l
    JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
    JOIN pg_catalog.pg_stat_activity AS b ON b.pid = l.pid
    WHERE l.granted
        AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
        AND c.relnamespace = 'connection_paths'::regnamespace
        AND c.relname IN ('contact_connections', 'contact_connections_live', 'contact_connections_next')
        AND b.xact_start < clock_timestamp() - make_interval(secs => %(seconds)s)
    ORDER BY b.xact_start
    LIMIT 1
) AS a ON true
