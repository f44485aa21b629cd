-- The standbys that replay what this server writes; no row where there is none, or where this role may not know.
SELECT count(*) AS number, string_agg(COALESCE(r.application_name, ''), ', ' ORDER BY r.application_name) AS names
FROM pg_catalog.pg_stat_replication AS r
WHERE r.replay_lsn IS NOT NULL
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_replication_slots AS s
        WHERE s.active_pid = r.pid AND s.slot_type = 'logical'
    )
HAVING count(*) > 0
