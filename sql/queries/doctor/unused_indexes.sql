-- Returns the package's indexes that no statement has used on this server for some time, and since when.
--
-- The time begins when the statistics were reset, the package was installed or the edge tables were exchanged,
-- whichever is the latest. A role sees only the times that it may read. Each standby counts its own use.
--
-- Parameters: tables (oids); names; pages (smaller tables are left out); seconds.
WITH beginnings AS (
    SELECT d.stats_reset AS at
    FROM pg_catalog.pg_stat_database AS d
    WHERE d.datname = current_database()
    UNION ALL
    SELECT max(m.applied_at_utc) AT TIME ZONE 'UTC'
    FROM connection_paths._yoyo_migration AS m
    UNION ALL
    SELECT max(r.finished_at)
    FROM connection_paths.backfill_runs AS r
)
SELECT u.name, u.bytes, b.began
FROM (
    SELECT
        COALESCE(whole.relname, c.relname) AS name,
        sum(pg_relation_size(c.oid))::bigint AS bytes,
        sum(s.idx_scan) AS scans
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_stat_all_indexes AS s ON s.indexrelid = c.oid
    LEFT JOIN pg_catalog.pg_inherits AS p ON p.inhrelid = c.oid
    LEFT JOIN pg_catalog.pg_class AS whole ON whole.oid = p.inhparent
    WHERE i.indrelid = ANY (%(tables)s::oid[])
        AND COALESCE(whole.relname, c.relname) = ANY (%(names)s::text[])
        AND t.relpages >= %(pages)s
    GROUP BY 1
) AS u
CROSS JOIN (SELECT max(g.at) AS began FROM beginnings AS g) AS b
WHERE u.scans = 0 AND b.began < clock_timestamp() - make_interval(secs => %(seconds)s)
ORDER BY u.name
