-- Returns the functions that have a version in their names, and the installed versions of each.
SELECT
    regexp_replace(p.proname, '_v[0-9]+$', '') AS name,
    array_agg('v' || substring(p.proname FROM '_v([0-9]+)$') ORDER BY p.proname) AS versions
FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace = to_regnamespace('connection_paths')
    AND p.proname ~ '_v[0-9]+$'
GROUP BY 1
ORDER BY 1
