-- To be planned, not run: a step of the walk, from contact $1 to members of collection $2, the most recent first.
WITH edges AS MATERIALIZED (
    SELECT e.neighbour_id, e.date_to
    FROM connection_paths.contact_edges($1, 100, NULL) AS e
)
SELECT m.contact_id, m.user_id
FROM connection_paths.askable_members($2, '{}', true) AS m
WHERE m.contact_id = ANY (ARRAY(SELECT e.neighbour_id FROM edges AS e))
