-- The functions of the schema: name, source between its dollar quotes, settings it makes, and the fingerprint of a body
-- that is kept parsed (NULL: there is none), as it is written out where the search path holds pg_catalog alone.
SELECT
    p.proname,
    p.prosrc,
    COALESCE(p.proconfig, '{}') AS settings,
    md5(pg_get_function_sqlbody(p.oid)) AS body
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = 'connection_paths'
