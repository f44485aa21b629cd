-- How many memberships each source has, and whether the view collection_members counts them.
-- `members` is every row of the host's table, put before this by the caller.
-- Parameters: collection_id (NULL: all); counted, the sources in the rule of that view.
SELECT
    m.source,
    COALESCE(m.source = ANY (%(counted)s::integer[]), false) AS is_counted,
    count(*) AS memberships,
    count(*) FILTER (WHERE m.user_id IS NULL) AS without_user
FROM members AS m
WHERE %(collection_id)s::bigint IS NULL OR m.collection_id = %(collection_id)s::bigint
GROUP BY m.source
ORDER BY m.source
