-- In a third of the collections a tenth of the members may not be asked, in another third most of them.
INSERT INTO connection_paths.do_not_ask (collection_id, contact_id)
SELECT DISTINCT m.collection_id, m.contact_id
FROM connection_paths.collection_members AS m
WHERE m.collection_id % 3 = 0 AND abs(hashint8extended(m.contact_id, 5) % 10) = 0
    OR m.collection_id % 3 = 1 AND abs(hashint8extended(m.contact_id, 5) % 3) > 0
