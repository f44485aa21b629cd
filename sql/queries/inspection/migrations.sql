-- Returns whether this role may read the table of applied migrations; no row if the table does not exist.
SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS is_readable
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid
WHERE n.nspname = 'connection_paths' AND c.relname = '_yoyo_migration'
