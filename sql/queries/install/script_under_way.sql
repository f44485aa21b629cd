-- Returns the process id of an installation script that is running; no row if there is none. The script holds an
-- advisory lock. Any role can take that lock, so the lock of a role that may not install is ignored.
--
-- Parameters: key.
SELECT l.pid
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = 'connection_paths'
WHERE l.locktype = 'advisory'
    AND l.database = a.datid
    AND a.datname = current_database()
    AND l.objsubid = 1
    AND l.classid = (%(key)s::bigint >> 32)::oid
    AND l.objid = (%(key)s::bigint & 4294967295)::oid
    AND l.granted
    AND l.pid <> pg_backend_pid()
    AND CASE
        WHEN n.oid IS NULL THEN has_database_privilege(a.usesysid, a.datid, 'CREATE'::text)
        ELSE pg_has_role(a.usesysid, n.nspowner, 'USAGE'::text)
    END
LIMIT 1
