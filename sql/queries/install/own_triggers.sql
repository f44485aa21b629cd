-- Returns the triggers that call a function of the package, on tables of other schemas.
SELECT n.nspname, c.relname, t.tgname, format('%I.%I', n.nspname, c.relname) AS identity
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace AS o ON o.oid = p.pronamespace
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE o.nspname = 'connection_paths'
    AND n.nspname <> 'connection_paths'
    AND starts_with(t.tgname::text, 'connection_paths_'::text)
    AND NOT t.tgisinternal
    AND t.tgparentid = 0
ORDER BY n.nspname, c.relname, t.tgname
