-- Returns the functions of the schema: name, source between the dollar quotes, settings, attributes, and the body of an
-- SQL-standard function (NULL for others). The server writes such a body as text; the text depends on the search path,
-- so the caller sets search_path to pg_catalog.
SELECT
    p.proname,
    p.prosrc,
    COALESCE(p.proconfig, '{}') AS settings,
    l.lanname AS language,
    CASE p.provolatile WHEN 'i' THEN 'IMMUTABLE' WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END AS volatility,
    CASE p.proparallel WHEN 's' THEN 'PARALLEL SAFE' WHEN 'r' THEN 'PARALLEL RESTRICTED' ELSE 'PARALLEL UNSAFE' END AS parallel,
    CASE WHEN p.prosecdef THEN 'SECURITY DEFINER' ELSE 'SECURITY INVOKER' END AS security,
    pg_get_function_sqlbody(p.oid) AS body
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE n.nspname = 'connection_paths'
