-- What pg_stat_statements has counted for one statement of this database, whoever ran it. Parameter: identifier.
-- Buffers and milliseconds are sums over all calls.
SELECT
    COALESCE(sum(s.calls), 0)::bigint AS calls,
    COALESCE(sum(s.total_exec_time), 0)::float8 AS milliseconds,
    COALESCE(sum(s.shared_blks_hit), 0)::bigint AS hits,
    COALESCE(sum(s.shared_blks_read), 0)::bigint AS reads
FROM pg_stat_statements AS s
JOIN pg_database AS d ON d.oid = s.dbid AND d.datname = current_database()
WHERE s.queryid = %(identifier)s::bigint
