-- Random members of a collection.
SELECT m.contact_id
FROM connection_paths.collection_members AS m
WHERE m.collection_id = %s
GROUP BY m.contact_id
ORDER BY hashint8extended(m.contact_id, 2), m.contact_id
LIMIT 100
