-- Returns what the server reports about its load, in one row. A column is NULL when the server has no such value, or
-- when this role may not read it.
--
-- Parameter: ignored_replicas, the application names of standbys that may fall behind.
--
-- replica_lag_seconds, replica_lag_bytes  The lag of the worst standby. The seconds are NULL while all standbys have
--                                         caught up; the bytes also show a standby that has stopped. Both are NULL
--                                         without pg_read_all_stats.
-- slowest_replica, farthest_replica       The names of those two standbys.
-- archive_backlog_files                   WAL files that are complete and not archived. It is computed from the name of
--                                         the last archived file, whose second half counts segments, and needs no
--                                         privilege.
-- archiver_fails                          Whether the last attempt to archive a file failed.
-- waiting                                 Sessions of others that have waited for a lock for a second or more. Waits
--                                         that are normal do not count: for advisory locks, and for the end of a
--                                         transaction (CREATE INDEX CONCURRENTLY).
-- blocked_by_us                           Sessions that have waited for a second or more for any lock that one of our
--                                         sessions holds. Only sessions that wait are examined, and at most 50, because
--                                         pg_blocking_pids stops the lock manager for a moment.
-- wraparound_vacuums                      Autovacuums of our tables that prevent wraparound. NULL without
--                                         pg_read_all_stats.
--
-- Our sessions are those whose application_name begins with orchestrator. Every role may read pg_locks and the
-- application names; the wait events of pg_stat_activity need a privilege.
WITH replica AS (
    SELECT
        COALESCE(r.application_name, '') AS name,
        extract(epoch FROM r.replay_lag)::double precision AS lag_seconds,
        CASE
            WHEN NOT pg_is_in_recovery()
            THEN pg_wal_lsn_diff(pg_current_wal_lsn(), r.replay_lsn)::double precision
        END AS lag_bytes
    FROM pg_catalog.pg_stat_replication AS r
    WHERE COALESCE(r.application_name, '') <> ALL (%(ignored_replicas)s::text[])
),
standby AS (
    SELECT
        max(r.lag_seconds) AS lag_seconds,
        (array_agg(r.name ORDER BY r.lag_seconds DESC NULLS LAST))[1] AS slowest,
        max(r.lag_bytes) AS lag_bytes,
        (array_agg(r.name ORDER BY r.lag_bytes DESC NULLS LAST))[1] AS farthest
    FROM replica AS r
),
archiver AS (
    SELECT
        a.last_failed_time > COALESCE(a.last_archived_time, '-infinity') AS fails,
        CASE
            WHEN a.last_archived_wal ~ '^[0-9A-F]{24}'
            THEN ('x' || substr(a.last_archived_wal, 9, 8))::bit(32)::bigint * (4294967296 / w.segment_bytes)
                + ('x' || substr(a.last_archived_wal, 17, 8))::bit(32)::bigint
        END AS last_segment,
        CASE
            WHEN NOT pg_is_in_recovery()
            THEN floor(pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') / w.segment_bytes)::bigint
        END AS current_segment
    FROM pg_catalog.pg_stat_archiver AS a
    CROSS JOIN (SELECT pg_size_bytes(current_setting('wal_segment_size')) AS segment_bytes) AS w
    WHERE current_setting('archive_mode') <> 'off'
),
waiter AS (
    SELECT DISTINCT l.pid, l.locktype IN ('advisory', 'virtualxid') AS is_normal
    FROM pg_catalog.pg_locks AS l
    JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
    WHERE NOT l.granted
        AND l.waitstart < clock_timestamp() - interval '1 second'
        AND a.datname = current_database()
        AND NOT starts_with(COALESCE(a.application_name, ''), 'orchestrator')
    LIMIT 50
)
SELECT
    s.lag_seconds AS replica_lag_seconds,
    s.slowest AS slowest_replica,
    s.lag_bytes AS replica_lag_bytes,
    s.farthest AS farthest_replica,
    CASE
        WHEN a.last_segment IS NOT NULL THEN greatest(a.current_segment - a.last_segment - 1, 0)
    END AS archive_backlog_files,
    COALESCE(a.fails, false) AS archiver_fails,
    (SELECT count(*) FROM waiter AS w WHERE NOT w.is_normal) AS waiting,
    (
        SELECT count(*)
        FROM waiter AS w
        WHERE EXISTS (
            SELECT
            FROM pg_catalog.pg_stat_activity AS o
            WHERE o.pid = ANY (pg_blocking_pids(w.pid))
                AND starts_with(o.application_name, 'orchestrator')
        )
    ) AS blocked_by_us,
    CASE
        WHEN pg_has_role('pg_read_all_stats', 'USAGE')
        THEN (
            SELECT count(*)
            FROM pg_catalog.pg_stat_activity AS v
            WHERE v.datname = current_database()
                AND v.query LIKE 'autovacuum: VACUUM%%connection\_paths.%%(to prevent wraparound)'
        )
    END AS wraparound_vacuums
FROM standby AS s
LEFT JOIN archiver AS a ON true
