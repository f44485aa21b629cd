-- Returns the application's tables that exist in a schema.
--
-- Parameters: host_schema; tables.
SELECT c.relname
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(host_schema)s
    AND c.relkind IN ('r', 'p')
    AND c.relname::text = ANY (%(tables)s::text[])
ORDER BY c.relname
