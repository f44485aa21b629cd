-- To be planned, not run: who brought contact $1 into collection $2, and whether viewer $3 did.
SELECT m.user_id, m.user_id = $3 AS is_viewer
FROM connection_paths.collection_members AS m
WHERE m.collection_id = $2 AND m.contact_id = $1
