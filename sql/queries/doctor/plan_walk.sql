-- To be planned, not run: a step of the walk, from contact $1 to members of collection $2, the most recent first.
SELECT e.neighbour_id, e.date_to, m.user_id
FROM connection_paths.contact_edges($1, NULL) AS e
CROSS JOIN LATERAL (
    SELECT m.user_id
    FROM connection_paths.askable_members($2, '{}', true) AS m
    WHERE m.contact_id = e.neighbour_id
    OFFSET 0
) AS m
ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
LIMIT 15
