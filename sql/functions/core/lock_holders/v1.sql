-- connection_paths.lock_holders(purpose): who holds the advisory locks of one purpose in this database, now.
--
-- purpose  see advisory_key
-- id       what the lock was taken for
-- pid      the session that holds it; NULL: a prepared transaction
-- holder   its transaction, or its session between two, as pg_locks.virtualtransaction has it
--
-- Reads pg_locks, so it tells the present whatever snapshot the caller has. A session that has died holds nothing:
-- this is how the dead are told from the living without timers.
--
-- Anybody who can connect may take the same locks. Only a holder counts that may do what the lock is for:
--
-- * its session's role (or who prepared the transaction) has a privilege on the table that the work writes to, itself
--   or by any membership, whether or not that is inherited: it may be used by SET ROLE; or it is a superuser;
-- * or the transaction holds ROW EXCLUSIVE on that table, which it cannot have taken without such a privilege. So a
--   function of the application's that is SECURITY DEFINER and recomputes for a role without rights is seen, too.
--
-- A session that pg_stat_activity does not show yet or any more counts.
CREATE OR REPLACE FUNCTION connection_paths.lock_holders(purpose text)
RETURNS TABLE (id bigint, pid integer, holder text)
LANGUAGE sql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 10
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT pg_catalog.pg_stat_clear_snapshot(); -- else a long transaction would see the sessions that there were before

    WITH work (purpose, relation, privilege) AS (
        VALUES
            ('worker', 'connection_paths.backfill_batches', 'UPDATE'),
            ('recompute', 'connection_paths.contact_connections', 'INSERT'),
            ('listener', 'connection_paths.contact_changes', 'DELETE')
    ),
    written AS (
        SELECT c.oid, c.relowner, COALESCE(c.relacl, pg_catalog.acldefault('r', c.relowner)) AS acl, w.privilege
        FROM work AS w
        JOIN pg_catalog.pg_class AS c ON c.oid = pg_catalog.to_regclass(w.relation)
        WHERE w.purpose = lock_holders.purpose
    ),
    locks AS MATERIALIZED (
        SELECT
            l.locktype,
            (l.classid::bigint << 32) | l.objid::bigint AS key,
            l.objsubid,
            l.relation,
            l.mode,
            l.pid,
            l.virtualtransaction
        FROM pg_catalog.pg_locks AS l
        WHERE l.granted
            AND l.locktype IN ('advisory', 'relation')
            AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
    ),
    held AS MATERIALIZED (
        SELECT l.key, l.pid, l.virtualtransaction
        FROM locks AS l
        WHERE l.locktype = 'advisory'
            AND l.objsubid = 1
            AND l.key >= connection_paths.advisory_key(lock_holders.purpose, 0)
            AND l.key < connection_paths.advisory_key(lock_holders.purpose, 281474976710656)
    )
    SELECT h.key - connection_paths.advisory_key(lock_holders.purpose, 0), h.pid, h.virtualtransaction
    FROM held AS h
    CROSS JOIN written AS w
    LEFT JOIN LATERAL (
        SELECT a.usesysid AS role
        FROM pg_catalog.pg_stat_get_activity(h.pid) AS a
        WHERE h.pid IS NOT NULL
        UNION ALL
        SELECT r.oid
        FROM pg_catalog.pg_prepared_xacts AS x
        JOIN pg_catalog.pg_roles AS r ON r.rolname = x.owner
        WHERE h.pid IS NULL AND x.transaction::text = pg_catalog.split_part(h.virtualtransaction, '/', 2)
    ) AS s ON true
    WHERE s.role IS NULL
        OR pg_catalog.has_table_privilege(s.role, w.oid, w.privilege)
        OR pg_catalog.pg_has_role(s.role, w.relowner, 'MEMBER')
        OR pg_catalog.pg_has_role(s.role, 'pg_write_all_data', 'MEMBER')
        OR EXISTS (
            SELECT
            FROM pg_catalog.aclexplode(w.acl) AS a
            WHERE a.privilege_type = w.privilege AND a.grantee <> 0 AND pg_catalog.pg_has_role(s.role, a.grantee, 'MEMBER')
        )
        OR EXISTS (
            SELECT
            FROM locks AS l
            WHERE l.locktype = 'relation'
                AND l.relation = w.oid
                AND l.mode = 'RowExclusiveLock'
                AND l.virtualtransaction = h.virtualtransaction
                AND l.pid IS NOT DISTINCT FROM h.pid
        )
$function$;

COMMENT ON FUNCTION connection_paths.lock_holders(text) IS 'Who holds the package''s advisory locks of one purpose and may do that work: worker, recompute or listener';

REVOKE ALL ON FUNCTION connection_paths.lock_holders(text) FROM PUBLIC;
