-- Contacts whose name fits a pattern, the first that are met; each with the organization of the latest experience.
-- Without an order of its own, so that the scan may stop; without an index for it, it reads names until it has enough.
-- Parameters: pattern, most, longest (of a name).
WITH found AS MATERIALIZED (
    SELECT c.id, c.name
    FROM connection_paths.live_contacts AS c
    WHERE c.name ILIKE %(pattern)s::text
    LIMIT %(most)s
)
SELECT f.id, left(f.name::text, %(longest)s::integer), left(w.name::text, %(longest)s::integer)
FROM found AS f
LEFT JOIN LATERAL (
    SELECT o.name
    FROM connection_paths.work_experiences AS e
    JOIN connection_paths.live_organizations AS o ON o.id = e.organization_id
    WHERE e.contact_id = f.id
    ORDER BY e.date_to DESC NULLS FIRST, e.date_from DESC, e.organization_id
    LIMIT 1
) AS w ON true
