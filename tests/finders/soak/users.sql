-- The users of a collection, the one who brought the most contacts first.
SELECT m.user_id
FROM connection_paths.collection_members AS m
WHERE m.collection_id = %s
GROUP BY m.user_id
ORDER BY count(DISTINCT m.contact_id) DESC, m.user_id
