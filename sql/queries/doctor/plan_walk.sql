-- To be planned, not run: a step of the walk, from contact $1 to members of collection $2, the most recent first.
SELECT e.neighbour_id, e.date_to
FROM connection_paths.recent_edges($1) AS e
WHERE EXISTS (
    SELECT
    FROM connection_paths.collection_members AS m
    WHERE m.collection_id = $2 AND m.contact_id = e.neighbour_id
)
ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
LIMIT 15
