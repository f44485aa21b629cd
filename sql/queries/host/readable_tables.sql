-- Returns those of some tables of the package that exist and that this role may read.
--
-- Parameters: names.
SELECT c.relname::text
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'connection_paths'
    AND c.relname = ANY (%(names)s::text[])
    AND has_schema_privilege(n.oid, 'USAGE')
    AND has_table_privilege(c.oid, 'SELECT')
