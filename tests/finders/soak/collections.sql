-- Some collections of each order of magnitude, with their sizes.
SELECT s.collection_id, s.size
FROM (
    SELECT
        c.collection_id,
        c.size,
        row_number() OVER (
            PARTITION BY length(c.size::text) ORDER BY hashint8extended(c.collection_id, 1), c.collection_id
        ) AS place
    FROM (
        SELECT m.collection_id, count(DISTINCT m.contact_id) AS size
        FROM connection_paths.collection_members AS m
        GROUP BY m.collection_id
    ) AS c
) AS s
WHERE s.place <= 12
ORDER BY s.collection_id
