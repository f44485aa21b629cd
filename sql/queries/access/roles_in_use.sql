-- The prefix of the group roles that the package was installed with; no row: without any.
-- Nothing keeps it but the rights themselves: the schema is P_owner's, which is no login, P_operator is there, and
-- P_reader has rights on the schema or in it.
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
