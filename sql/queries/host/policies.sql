-- The policies of organizations, each with the number of contacts that worked there; the largest organizations first.
SELECT
    p.organization_id AS id,
    (SELECT min(o.name) FROM connection_paths.known_organizations AS o WHERE o.id = p.organization_id) AS name,
    p.rule,
    p.min_overlap_days,
    p.reason,
    p.created_by,
    p.created_at,
    (
        SELECT count(DISTINCT e.contact_id)
        FROM connection_paths.employments AS e
        WHERE e.organization_id = p.organization_id
            AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = e.contact_id)
    ) AS people
FROM connection_paths.organization_policy AS p
ORDER BY people DESC, p.organization_id
