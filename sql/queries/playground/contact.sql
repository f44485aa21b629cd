-- One contact, with the organization of the latest employment. Parameters: contact_id, longest (of a name).
SELECT c.id, left(c.name::text, %(longest)s::integer), left(w.name::text, %(longest)s::integer)
FROM connection_paths.live_contacts AS c
LEFT JOIN LATERAL (
    SELECT o.name
    FROM connection_paths.employments AS e
    JOIN connection_paths.known_organizations AS o ON o.id = e.organization_id
    WHERE e.contact_id = c.id
    ORDER BY e.date_to DESC NULLS FIRST, e.date_from DESC, e.organization_id
    LIMIT 1
) AS w ON true
WHERE c.id = %(contact_id)s::bigint
