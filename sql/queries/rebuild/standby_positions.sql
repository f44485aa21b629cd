-- Returns the standbys that receive the WAL of this primary, one row each.
--
-- Columns
--     pid             The process of the primary that sends the WAL.
--     name            The application name of the standby.
--     has_old_reader  A statement on the standby is older than the transaction since. Only a standby with
--                     hot_standby_feedback reports that.
--     is_behind       The standby has not replayed the WAL up to written.
--
-- A standby with a replication slot reports to the slot. A role without the rights of pg_monitor sees no values.
-- Parameters: since (an xid8 as text); written (an LSN as text).
SELECT
    r.pid,
    COALESCE(r.application_name, '') AS name,
    COALESCE(age(COALESCE(s.xmin, r.backend_xmin)) > age(%(since)s::xid8::xid), false) AS has_old_reader,
    COALESCE(r.replay_lsn < %(written)s::pg_lsn, false) AS is_behind
FROM pg_catalog.pg_stat_replication AS r
LEFT JOIN pg_catalog.pg_replication_slots AS s ON s.active_pid = r.pid
WHERE COALESCE(r.state, 'streaming') = 'streaming' AND COALESCE(s.slot_type, 'physical') = 'physical'
ORDER BY r.pid
