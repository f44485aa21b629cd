-- connection_paths.advisory_key(purpose, id)
--
-- Returns the key of an advisory lock of the package.
--
-- Parameters
--     purpose  'worker': held by a session that works on runs, for as long as the session lives; id is its worker id.
--              'refresh': shared by a transaction that refreshes edges; id is the oldest transaction whose work it may
--              not have seen. 'listener': held by a session that sleeps until there are changes, and that writers
--              wake; id is 0. Another value or NULL gives NULL.
--     id       0 to 2^48 - 1. NULL gives NULL.
-- Returns
--     A key for pg_advisory_lock(bigint) and its variants, or NULL.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     begin_refresh, lock_holders, register_worker, wake_listener, orchestrator/changes/sync.py
-- Why
--     The high 16 bits of the key hold the purpose, so that lock_holders can read purpose and id from pg_locks.
--
--     Any role that can connect may take any of these locks. So no lock here protects data. The locks only show which
--     sessions are alive, and lock_holders counts only sessions that may do the work. Exclusive access is always
--     protected by a lock of a row or of a table of the package.
CREATE OR REPLACE FUNCTION connection_paths.advisory_key(purpose text, id bigint)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        CASE advisory_key.purpose
            WHEN 'worker' THEN 25441
            WHEN 'refresh' THEN 25442
            WHEN 'listener' THEN 25444
        END::bigint * 281474976710656 -- 2^48
        + advisory_key.id;
END;

COMMENT ON FUNCTION connection_paths.advisory_key(text, bigint) IS 'The key of an advisory lock of the package''s: worker, refresh or listener, and an id';

REVOKE ALL ON FUNCTION connection_paths.advisory_key(text, bigint) FROM PUBLIC;
