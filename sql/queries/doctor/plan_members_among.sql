-- This statement is planned, not run: which contacts are members of collection $2.
--
-- members_among is PL/pgSQL, so the planner does not inline it. The two arms are its two statements: the first one for
-- PostgreSQL 17 and later, the second one for PostgreSQL 15 and 16.
SELECT m.contact_id, m.user_id
FROM connection_paths.askable_members($2, '{}', true) AS m
WHERE m.contact_id = ANY (ARRAY[$1, $3])
UNION ALL
SELECT m.contact_id, m.user_id
FROM unnest(ARRAY[$1, $3]) AS c (contact_id)
CROSS JOIN LATERAL (
    SELECT m.contact_id, m.user_id
    FROM connection_paths.askable_members($2, '{}', true) AS m
    WHERE m.contact_id = c.contact_id
    OFFSET 0
) AS m
