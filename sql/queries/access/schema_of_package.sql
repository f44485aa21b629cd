-- Returns the owner of the package's schema, whether this role has its rights, and the application's tables that the
-- binding views read, as arrays of schemas and names; names of users and collections are not necessary. The query reads
-- only catalogs, so every role may run it.
-- No row: the package is not installed.
SELECT
    o.rolname::text AS owner,
    pg_has_role(n.nspowner, 'USAGE') AS has_owner,
    COALESCE(array_agg(t.nspname::text ORDER BY t.nspname, t.relname) FILTER (WHERE t.relname IS NOT NULL), '{}') AS schemas,
    COALESCE(array_agg(t.relname::text ORDER BY t.nspname, t.relname) FILTER (WHERE t.relname IS NOT NULL), '{}') AS tables
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_roles AS o ON o.oid = n.nspowner
LEFT JOIN LATERAL (
    SELECT DISTINCT s.nspname, c.relname
    FROM pg_catalog.pg_class AS v
    JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid
    JOIN pg_catalog.pg_depend AS d
        ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        AND d.objid = r.oid
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid AND c.relnamespace <> n.oid AND c.relkind <> 'c'
    JOIN pg_catalog.pg_namespace AS s ON s.oid = c.relnamespace
    WHERE v.relnamespace = n.oid AND v.relkind = 'v' AND v.relname NOT IN ('live_users', 'live_collections')
) AS t ON true
WHERE n.nspname = 'connection_paths'
GROUP BY o.rolname, n.nspowner
