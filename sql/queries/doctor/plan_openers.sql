-- This statement is planned, not run: the users who brought contact $1 into collection $2, as search looks them up.
SELECT m.user_id
FROM connection_paths.collection_members AS m
WHERE m.collection_id = $2 AND m.contact_id = $1
