-- Returns the statements that drop the triggers on the package's own tables, one per row.
SELECT format('DROP TRIGGER IF EXISTS %I ON %s', t.tgname, t.tgrelid::regclass)
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = to_regnamespace('connection_paths')
    AND NOT t.tgisinternal
    AND t.tgparentid = 0
ORDER BY 1
