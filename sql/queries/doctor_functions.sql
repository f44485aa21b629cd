-- The functions of the schema: name, source between its dollar quotes, and settings it makes.
SELECT p.proname, p.prosrc, COALESCE(p.proconfig, '{}') AS settings
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = 'connection_paths'
