-- Returns tables, with their bytes, and triggers of the edge table that a rebuild left although no rebuild is active.
SELECT format('%I', c.relname) AS name, pg_total_relation_size(c.oid) AS bytes
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'connection_paths'
    AND c.relkind = 'r'
    AND c.relname IN ('contact_connections_next', 'contact_connections_old')
    AND NOT EXISTS (
        SELECT
        FROM connection_paths.backfill_runs AS r
        WHERE r.strategy = 'rebuild' AND r.phase <> 'finished'
    )
UNION ALL
SELECT format('trigger %I of %I', t.tgname, c.relname), 0
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'connection_paths'
    AND c.relname = 'contact_connections_live'
    AND t.tgname IN ('record_inserted', 'record_updated', 'record_deleted', 'refuse_truncate')
    AND NOT EXISTS (
        SELECT
        FROM connection_paths.backfill_runs AS r
        WHERE r.strategy = 'rebuild' AND r.phase <> 'finished'
    )
ORDER BY 1
