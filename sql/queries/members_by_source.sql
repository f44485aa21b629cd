-- How many memberships each source has, and whether the view collection_members counts them: its rule once more,
-- because no view holds what does not count; a test compares the two.
-- `members` is every row of the host's table, put before this by the caller. Parameter: collection_id (NULL: all).
SELECT
    m.source,
    COALESCE(m.source IN (0, 1, 2, 3, 5, 10), false) AS is_counted,
    count(*) AS memberships,
    count(*) FILTER (WHERE m.user_id IS NULL) AS without_user
FROM members AS m
WHERE %(collection_id)s::bigint IS NULL OR m.collection_id = %(collection_id)s::bigint
GROUP BY m.source
ORDER BY m.source
