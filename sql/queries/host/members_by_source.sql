-- Counts the memberships of each source, and whether the view collection_members counts that source.
--
-- `members` has every row of the application's table; the caller puts it in front of this query as a CTE.
-- Parameters: collection_id, NULL for all collections; counted, the sources in the rule of the view.
SELECT
    m.source,
    COALESCE(m.source = ANY (%(counted)s::integer[]), false) AS is_counted,
    count(*) AS memberships,
    count(*) FILTER (WHERE m.user_id IS NULL) AS without_user
FROM members AS m
WHERE %(collection_id)s::bigint IS NULL OR m.collection_id = %(collection_id)s::bigint
GROUP BY m.source
ORDER BY m.source
