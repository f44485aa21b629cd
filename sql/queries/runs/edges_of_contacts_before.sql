-- Returns how many edges some contacts should have. Parameter: contact_ids.
--
-- It is for a database without the package, where no index helps: it reads all work experiences once, and returns what
-- runs/edges_of_contacts.sql returns after an installation.
SELECT p.contact_id, count(*)
FROM (
    SELECT DISTINCT mine.contact_id, theirs.contact_id AS neighbour_id
    FROM connection_paths.employments AS mine
    JOIN connection_paths.employments AS theirs
        ON theirs.organization_id = mine.organization_id
        AND theirs.contact_id <> mine.contact_id
        AND theirs.date_from <= COALESCE(mine.date_to, 'infinity'::date)
        AND COALESCE(theirs.date_to, 'infinity'::date) >= mine.date_from
        AND greatest(theirs.date_from, mine.date_from) <= CURRENT_DATE
    WHERE mine.contact_id = ANY (%(contact_ids)s::bigint[])
        AND EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = mine.organization_id)
) AS p
WHERE EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = p.neighbour_id)
GROUP BY p.contact_id
