-- Those of some tables of the package that are there, and that the caller may read. Parameter: names.
SELECT c.relname::text
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'connection_paths'
    AND c.relname = ANY (%(names)s::text[])
    AND has_schema_privilege(n.oid, 'USAGE')
    AND has_table_privilege(c.oid, 'SELECT')
