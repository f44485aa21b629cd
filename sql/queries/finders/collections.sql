-- The first collections by id, with their numbers of members, counted up to counted_to + 1.
-- Parameters: most, counted_to.
-- Each collection takes one index probe, and of a large one only the first entries are read.
WITH RECURSIVE found AS (
    (
        SELECT m.collection_id, 1 AS number
        FROM connection_paths.collection_members AS m
        ORDER BY m.collection_id
        LIMIT 1
    )
    UNION ALL
    SELECT n.collection_id, f.number + 1
    FROM found AS f
    CROSS JOIN LATERAL (
        SELECT m.collection_id
        FROM connection_paths.collection_members AS m
        WHERE m.collection_id > f.collection_id
        ORDER BY m.collection_id
        LIMIT 1
    ) AS n
    WHERE f.number < %(most)s
)
SELECT f.collection_id, c.members
FROM found AS f
CROSS JOIN LATERAL (
    SELECT count(*) AS members
    FROM (
        SELECT DISTINCT m.contact_id
        FROM connection_paths.collection_members AS m
        WHERE m.collection_id = f.collection_id
        ORDER BY m.contact_id
        LIMIT %(counted_to)s + 1
    ) AS m
) AS c
ORDER BY f.collection_id
