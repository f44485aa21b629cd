-- Returns the names of contacts and organizations, cut to the length that is shown.
--
-- Parameters: contact_ids; organization_ids; longest.
SELECT 'contact', c.id, left(c.name::text, %(longest)s::integer)
FROM connection_paths.live_contacts AS c
WHERE c.id = ANY (%(contact_ids)s::bigint[])
UNION ALL
SELECT 'organization', o.id, left(o.name::text, %(longest)s::integer)
FROM connection_paths.known_organizations AS o
WHERE o.id = ANY (%(organization_ids)s::bigint[])
