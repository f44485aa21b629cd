-- Returns transactions that have locked tables for a long time, the longest first, 5 at most.
--
-- Parameters: tables (oids); seconds.
SELECT a.pid, a.application_name AS application, extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS seconds
FROM pg_catalog.pg_stat_activity AS a
WHERE a.pid <> pg_backend_pid()
    AND a.xact_start < clock_timestamp() - make_interval(secs => %(seconds)s)
    AND a.pid IN (
        SELECT l.pid
        FROM pg_catalog.pg_locks AS l
        WHERE l.granted
            AND l.relation = ANY (%(tables)s::oid[])
            AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
    )
    AND a.backend_type = 'client backend'
ORDER BY seconds DESC, a.pid
LIMIT 5
