-- Counts the memberships of each source, and whether the rule of the mapping counts them.
--
-- `members` has every row of the application's table; the caller puts it in front of this query as a CTE.
-- Parameter: collection_id, NULL for all collections.
SELECT
    m.source,
    m.is_counted,
    count(*) AS memberships,
    count(*) FILTER (WHERE m.user_id IS NULL) AS without_user
FROM members AS m
WHERE %(collection_id)s::bigint IS NULL OR m.collection_id = %(collection_id)s::bigint
GROUP BY m.source, m.is_counted
ORDER BY m.source, m.is_counted
