-- The table or view of a source with its columns: one row per column, one row without a column for a table that has
-- none, no row where there is no such table.
--
-- Parameters: schema, name.
SELECT
    c.oid::bigint,
    c.relkind::text,
    has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT') AS is_readable,
    a.attname::text,
    format_type(a.atttypid, a.atttypmod)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = %(schema)s::text
    AND c.relname = %(name)s::text
    AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY a.attnum
