-- Returns an object in the schema connection_paths if the package did not create that schema. No row if it did, or if
-- the schema is empty or missing. The schema of the package has a comment that begins with 'connection_paths: ', or, if
-- it was restored without comments, a table of migrations.
SELECT format('%s %I', o.kind, o.name) AS object
FROM pg_catalog.pg_namespace AS n
JOIN (
    SELECT c.relnamespace AS namespace, 'relation'::text AS kind, c.relname AS name
    FROM pg_catalog.pg_class AS c
    UNION ALL
    SELECT p.pronamespace, 'function', p.proname FROM pg_catalog.pg_proc AS p
    UNION ALL
    SELECT t.typnamespace, 'type', t.typname FROM pg_catalog.pg_type AS t
    UNION ALL
    SELECT p.oprnamespace, 'operator', p.oprname FROM pg_catalog.pg_operator AS p
) AS o ON o.namespace = n.oid
WHERE n.nspname = 'connection_paths'
    AND NOT COALESCE(starts_with(obj_description(n.oid, 'pg_namespace'), 'connection_paths: '::text), false)
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_class AS m
        WHERE m.relnamespace = n.oid AND m.relname = '_yoyo_migration'
    )
ORDER BY o.kind = 'type', o.kind DESC, o.name
LIMIT 1
