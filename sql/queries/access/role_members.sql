-- The three group roles, and who is in each; a role that is in another of them only by its own name is not told.
-- Parameter: prefix.
SELECT
    g.name,
    ARRAY (
        SELECT m.rolname::text
        FROM pg_catalog.pg_auth_members AS a
        JOIN pg_catalog.pg_roles AS m ON m.oid = a.member
        WHERE a.roleid = to_regrole(quote_ident(g.name))
        GROUP BY m.rolname -- a server from 16 on has a row per grantor
        ORDER BY m.rolname
    ) AS members
FROM (
    SELECT %(prefix)s::text || '_' || s.suffix, s.number
    FROM unnest('{reader,operator,owner}'::text[]) WITH ORDINALITY AS s (suffix, number)
) AS g (name, number)
ORDER BY g.number
