-- Contacts to ask for in the demo: the same ones each time, strewn over the whole range of ids.
SELECT c.id
FROM connection_paths.live_contacts AS c
WHERE EXISTS (SELECT FROM connection_paths.employments AS e WHERE e.contact_id = c.id)
ORDER BY hashint8(c.id)
LIMIT 300
