-- Returns the three group roles and the members of each, which include other group roles.
--
-- Parameters: prefix.
SELECT
    g.name,
    ARRAY (
        SELECT m.rolname::text
        FROM pg_catalog.pg_auth_members AS a
        JOIN pg_catalog.pg_roles AS m ON m.oid = a.member
        WHERE a.roleid = to_regrole(quote_ident(g.name))
        GROUP BY m.rolname -- PostgreSQL 16 and later have one row per grantor
        ORDER BY m.rolname
    ) AS members
FROM (
    SELECT %(prefix)s::text || '_' || s.suffix, s.number
    FROM unnest('{reader,operator,owner}'::text[]) WITH ORDINALITY AS s (suffix, number)
) AS g (name, number)
ORDER BY g.number
