-- Returns the number and the names of the standbys of this server; no row if there is none, or if this role may not see
-- them.
SELECT count(*) AS number, string_agg(COALESCE(r.application_name, ''), ', ' ORDER BY r.application_name) AS names
FROM pg_catalog.pg_stat_replication AS r
WHERE r.replay_lsn IS NOT NULL
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_replication_slots AS s
        WHERE s.active_pid = r.pid AND s.slot_type = 'logical'
    )
HAVING count(*) > 0
