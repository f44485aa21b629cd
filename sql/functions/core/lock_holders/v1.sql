-- connection_paths.lock_holders(purpose)
--
-- Lists the sessions that hold advisory locks of one purpose in this database now.
--
-- Parameters
--     purpose  A purpose of advisory_key. Another value or NULL gives no rows.
-- Returns
--     id      The id that the lock was taken for.
--     pid     The process of the session. NULL: a prepared transaction.
--     holder  The transaction or session, as pg_locks.virtualtransaction shows it.
-- Errors
--     none
-- Reads
--     backfill_batches, contact_changes, contact_connections
-- Writes
--     none
-- Used by
--     await_refreshes, claim_batch, claim_finish, register_worker, orchestrator/runs/runs.py,
--     sql/queries/doctor/queue.sql, sql/queries/doctor/runs.sql, sql/queries/runs/busy_workers.sql
-- Why
--     A session that has died holds no lock. So this function separates live workers from dead ones without timeouts.
--     It reads pg_locks, which shows the current locks and not those at the time of the caller's snapshot.
--
--     Any role that can connect may take the same locks. A holder counts only when it may do the work of the purpose:
--         its role (for a prepared transaction, the role that prepared it) is a superuser or has a privilege on the
--         table that the work writes, directly or through any membership, inherited or not, because SET ROLE works;
--         or its transaction holds ROW EXCLUSIVE on that table, which needs such a privilege. This covers a SECURITY
--         DEFINER function of the application that refreshes edges for a role without rights.
--     A session that pg_stat_activity does not show counts, because it may be starting or ending.
CREATE OR REPLACE FUNCTION connection_paths.lock_holders(purpose text)
RETURNS TABLE (id bigint, pid integer, holder text)
LANGUAGE sql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 10
SET search_path = pg_catalog, pg_temp
AS $function$
    SELECT pg_catalog.pg_stat_clear_snapshot(); -- otherwise a long transaction sees old sessions

    WITH work (purpose, relation, privilege) AS (
        VALUES
            ('worker', 'connection_paths.backfill_batches', 'UPDATE'),
            ('refresh', 'connection_paths.contact_connections', 'INSERT'),
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
            AND l.key < connection_paths.advisory_key(lock_holders.purpose, 281474976710656) -- 2^48
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

COMMENT ON FUNCTION connection_paths.lock_holders(text) IS 'Who holds the package''s advisory locks of one purpose and may do that work: worker, refresh or listener';

REVOKE ALL ON FUNCTION connection_paths.lock_holders(text) FROM PUBLIC;
