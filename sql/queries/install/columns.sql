-- Returns the columns of tables and composite types of the package. Reads the catalogs only.
--
-- Parameters
--     names  The names of the tables and types.
-- Columns
--     name     The table or type.
--     columns  The names of its columns.
SELECT c.relname::text AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = 'connection_paths' AND c.relkind IN ('r', 'p', 'c') AND c.relname = ANY (%(names)s)
GROUP BY c.relname
ORDER BY c.relname
