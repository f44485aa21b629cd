-- To be planned, not run: the colleagues of contact $1 who are members of collection $2, straight from work
-- experiences.
SELECT w.neighbour_id, w.organization_id, w.date_from, w.date_to
FROM connection_paths.work_overlaps($1) AS w
WHERE EXISTS (
    SELECT
    FROM connection_paths.collection_members AS m
    WHERE m.collection_id = $2 AND m.contact_id = w.neighbour_id
)
