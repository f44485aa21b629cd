-- Random contacts, each with the number of its edges, 10 at most.
SELECT c.id, (
    SELECT count(*)
    FROM (
        (SELECT FROM connection_paths.contact_connections AS e WHERE e.contact_a_id = c.id LIMIT 10)
        UNION ALL
        (SELECT FROM connection_paths.contact_connections AS e WHERE e.contact_b_id = c.id LIMIT 10)
        LIMIT 10
    ) AS few
)
FROM (
    SELECT l.id FROM connection_paths.live_contacts AS l ORDER BY hashint8extended(l.id, 1), l.id LIMIT 3000
) AS c
