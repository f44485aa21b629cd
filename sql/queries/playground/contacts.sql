-- Some contacts whose names match a pattern, each with the organization of the latest employment.
-- Parameters: pattern, most, longest (of a name). There is no ORDER BY, so that the scan stops when it has enough.
-- Without an index on names, it reads contacts until then.
WITH found AS MATERIALIZED (
    SELECT c.id, c.name
    FROM connection_paths.live_contacts AS c
    WHERE c.name ILIKE %(pattern)s::text AND c.id IS NOT NULL
    LIMIT %(most)s
)
SELECT f.id, left(f.name::text, %(longest)s::integer), left(w.name::text, %(longest)s::integer)
FROM found AS f
LEFT JOIN LATERAL (
    SELECT o.name
    FROM connection_paths.employments AS e
    JOIN connection_paths.known_organizations AS o ON o.id = e.organization_id
    WHERE e.contact_id = f.id
    ORDER BY e.date_to DESC NULLS FIRST, e.date_from DESC, e.organization_id
    LIMIT 1
) AS w ON true
