-- Some users of a collection, found in its first entries; those with most entries come first.
-- Parameters: collection_id, rows_read, most.
SELECT m.user_id
FROM (
    SELECT e.user_id
    FROM connection_paths.collection_members AS e
    WHERE e.collection_id = %(collection_id)s::bigint
    ORDER BY e.contact_id
    LIMIT %(rows_read)s
) AS m
GROUP BY m.user_id
ORDER BY count(*) DESC, m.user_id
LIMIT %(most)s
