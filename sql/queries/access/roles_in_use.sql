-- Returns the prefix of the group roles that the package was installed with; no row if it was installed without roles.
-- The prefix is not stored. It is found in the rights: the schema belongs to PREFIX_owner, which may not log in,
-- PREFIX_operator exists, and PREFIX_reader has rights on the schema or on its functions.
SELECT left(o.rolname, -6) AS prefix
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_roles AS o ON o.oid = n.nspowner
JOIN pg_catalog.pg_roles AS r ON r.rolname = left(o.rolname, -6) || '_reader'
WHERE n.nspname = 'connection_paths'
    AND right(o.rolname, 6) = '_owner'
    AND NOT o.rolcanlogin
    AND to_regrole(quote_ident(left(o.rolname, -6) || '_operator')) IS NOT NULL
    AND EXISTS (
        SELECT
        FROM pg_catalog.pg_proc AS p
        CROSS JOIN LATERAL aclexplode(n.nspacl || p.proacl) AS a
        WHERE p.pronamespace = n.oid AND a.grantee = r.oid
    )
