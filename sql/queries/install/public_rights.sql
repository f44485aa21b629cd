-- Returns the rights of PUBLIC, which means every role, on the package's objects, one sentence per object.
-- Everybody may execute the functions for the expressions of a mapping.
SELECT format(
    'PUBLIC has %s on %s %s', string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type), o.class, o.identity
) AS sentence
FROM (
    SELECT 'schema'::text AS class, format('%I', n.nspname) AS identity, n.nspacl AS acl
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname = 'connection_paths'
    UNION ALL
    SELECT
        CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' ELSE 'table' END,
        format('%I.%I', n.nspname, c.relname), c.relacl
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'connection_paths' AND c.relkind IN ('r', 'p', 'v', 'S')
    UNION ALL
    SELECT 'column', format('%I.%I.%I', n.nspname, c.relname, t.attname), t.attacl
    FROM pg_catalog.pg_attribute AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = t.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'connection_paths' AND t.attacl IS NOT NULL
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text, COALESCE(p.proacl, acldefault('f', p.proowner))
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname = 'connection_paths' AND p.proname NOT IN ('to_day', 'first_day', 'to_id', 'uuid_key')
    UNION ALL
    SELECT 'type', format('%I.%I', n.nspname, t.typname), COALESCE(t.typacl, acldefault('T', t.typowner))
    FROM pg_catalog.pg_type AS t
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    WHERE n.nspname = 'connection_paths' AND t.typtype = 'e'
) AS o (class, identity, acl)
CROSS JOIN LATERAL aclexplode(o.acl) AS a
WHERE a.grantee = 0
GROUP BY o.class, o.identity
ORDER BY o.class, o.identity
