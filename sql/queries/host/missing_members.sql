-- Counts the memberships of contacts that do not exist, and these contacts.
--
-- `members` has every row of the application's table; the caller puts it in front of this query as a CTE.
SELECT COALESCE(sum(m.memberships), 0)::bigint AS memberships, count(*) AS contacts
FROM (
    SELECT b.contact_id, count(*) AS memberships FROM members AS b WHERE b.contact_id IS NOT NULL GROUP BY b.contact_id
) AS m
WHERE NOT EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = m.contact_id)
