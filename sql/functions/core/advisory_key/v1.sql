-- connection_paths.advisory_key(purpose, id): the advisory lock of one thing of the package's.
--
-- purpose  'worker'     a session that works on runs, by its worker id, for as long as it lives
--          'recompute'  a transaction that recomputes edges (shared), by the oldest transaction it may not have seen
--          'listener'   a session that sleeps until there are changes; writers wake it
-- id       0 to 2^48 - 1
-- Returns  a key for pg_advisory_lock(bigint) and its kin; NULL for another purpose.
--
-- Any role that can connect may take any of these locks. They say who lives, and lock_holders believes only those who
-- may do the work. What one session must keep from all others is kept by a row or a table of the package's.
--
-- The high 16 bits tell the purpose, so that lock_holders can read the keys back from pg_locks.
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
            WHEN 'recompute' THEN 25442
            WHEN 'listener' THEN 25444
        END::bigint * 281474976710656 -- 2^48
        + advisory_key.id;
END;

COMMENT ON FUNCTION connection_paths.advisory_key(text, bigint) IS 'The key of an advisory lock of the package''s: worker, recompute or listener, and an id';

REVOKE ALL ON FUNCTION connection_paths.advisory_key(text, bigint) FROM PUBLIC;
