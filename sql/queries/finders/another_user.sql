-- A user of a collection other than a given one; no row when there is none.
-- Parameters: collection_id, user_id.
SELECT m.user_id
FROM connection_paths.collection_members AS m
WHERE m.collection_id = %(collection_id)s::bigint AND m.user_id <> %(user_id)s::bigint
LIMIT 1
