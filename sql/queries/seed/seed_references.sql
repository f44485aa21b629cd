-- The foreign keys of other tables that refer to the application's tables. TRUNCATE fails while one exists.
--
-- Parameters: host_schema, tables.
SELECT k.conname, n.nspname, t.relname, r.relname AS referenced
FROM pg_catalog.pg_constraint AS k
JOIN pg_catalog.pg_class AS t ON t.oid = k.conrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
JOIN pg_catalog.pg_class AS r ON r.oid = k.confrelid
JOIN pg_catalog.pg_namespace AS s ON s.oid = r.relnamespace
WHERE k.contype = 'f'
    AND k.conparentid = 0
    AND s.nspname = %(host_schema)s
    AND r.relname = ANY (%(tables)s::text[])
    AND NOT (n.nspname = s.nspname AND t.relname = ANY (%(tables)s::text[]))
ORDER BY n.nspname, t.relname, k.conname
