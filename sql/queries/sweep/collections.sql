-- Collections with their numbers of members, the largest first. Parameter: collections (NULL: all of them).
SELECT m.collection_id, count(DISTINCT m.contact_id) AS members
FROM connection_paths.collection_members AS m
WHERE %(collections)s::bigint[] IS NULL OR m.collection_id = ANY (%(collections)s::bigint[])
GROUP BY m.collection_id
ORDER BY members DESC, m.collection_id
