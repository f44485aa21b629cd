-- Returns whether the four tables exist in which yoyo records the applied migrations.
SELECT count(*) = 4
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'connection_paths'
    AND c.relkind = 'r'
    AND c.relname IN ('_yoyo_migration', '_yoyo_log', '_yoyo_version', 'yoyo_lock')
