-- Returns the views of the schema with their definitions, as the server writes them.
SELECT v.relname, pg_get_viewdef(v.oid) AS definition
FROM pg_catalog.pg_class AS v
JOIN pg_catalog.pg_namespace AS n ON n.oid = v.relnamespace
WHERE n.nspname = 'connection_paths' AND v.relkind = 'v'
