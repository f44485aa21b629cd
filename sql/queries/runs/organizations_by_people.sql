-- Returns the organizations without a policy where the most contacts worked. Parameter: most, how many.
SELECT
    e.organization_id AS id,
    (SELECT min(o.name) FROM connection_paths.live_organizations AS o WHERE o.id = e.organization_id) AS name,
    e.people
FROM (
    SELECT u.organization_id, count(DISTINCT u.contact_id) AS people
    FROM connection_paths.employments AS u
    WHERE EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = u.organization_id)
        AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = u.contact_id)
        AND u.organization_id NOT IN (SELECT p.organization_id FROM connection_paths.organization_policy AS p)
    GROUP BY u.organization_id
    ORDER BY people DESC, u.organization_id
    LIMIT %(most)s
) AS e
ORDER BY e.people DESC, e.organization_id
