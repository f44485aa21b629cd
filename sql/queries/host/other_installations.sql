-- Returns the schemas of the other installations of the package in this database.
SELECT n.nspname::text
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname <> 'connection_paths'
    AND (
        SELECT count(*)
        FROM pg_catalog.pg_class AS c
        WHERE c.relnamespace = n.oid AND c.relname IN ('installation', 'contact_connections', 'backfill_runs')
    ) = 3
ORDER BY n.nspname
