-- The largest collection, its members, and the user who brought in most of them.
WITH largest AS (
    SELECT m.collection_id, count(DISTINCT m.contact_id) AS members
    FROM connection_paths.collection_members AS m
    GROUP BY m.collection_id
    ORDER BY members DESC, m.collection_id
    LIMIT 1
)
SELECT l.collection_id, l.members, busiest.user_id
FROM largest AS l
CROSS JOIN LATERAL (
    SELECT m.user_id
    FROM connection_paths.collection_members AS m
    WHERE m.collection_id = l.collection_id
    GROUP BY m.user_id
    ORDER BY count(*) DESC, m.user_id
    LIMIT 1
) AS busiest
