-- Names for people to read. Parameters: contact_ids, organization_ids.
SELECT 'contact', c.id, c.name
FROM connection_paths.live_contacts AS c
WHERE c.id = ANY (%(contact_ids)s::bigint[])
UNION ALL
SELECT 'organization', o.id, o.name
FROM connection_paths.live_organizations AS o
WHERE o.id = ANY (%(organization_ids)s::bigint[])
