-- connection_paths.lock_holders(purpose): who holds the advisory locks of one purpose in this database, now.
--
-- purpose  see advisory_key
-- id       what the lock was taken for
-- pid      the session that holds it; NULL: a prepared transaction
-- holder   its transaction, or its session between two, as pg_locks.virtualtransaction has it
--
-- Reads pg_locks, so it tells the present whatever snapshot the caller has. A session that has died holds nothing:
-- this is how the dead are told from the living without timers.
CREATE OR REPLACE FUNCTION connection_paths.lock_holders(purpose text)
RETURNS TABLE (id bigint, pid integer, holder text)
LANGUAGE sql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 10
BEGIN ATOMIC
    SELECT k.key - connection_paths.advisory_key(lock_holders.purpose, 0), k.pid, k.holder
    FROM (
        SELECT (l.classid::bigint << 32) | l.objid::bigint AS key, l.pid, l.virtualtransaction AS holder
        FROM pg_catalog.pg_locks AS l
        WHERE l.locktype = 'advisory'
            AND l.objsubid = 1
            AND l.granted
            AND l.database = (
                SELECT d.oid
                FROM pg_catalog.pg_database AS d
                WHERE d.datname = pg_catalog.current_database()
            )
    ) AS k
    WHERE k.key >= connection_paths.advisory_key(lock_holders.purpose, 0)
        AND k.key < connection_paths.advisory_key(lock_holders.purpose, 281474976710656);
END;

COMMENT ON FUNCTION connection_paths.lock_holders(text) IS 'Who holds the package''s advisory locks of one purpose: worker, recompute, finisher, listener or rebuild';

REVOKE ALL ON FUNCTION connection_paths.lock_holders(text) FROM PUBLIC;
