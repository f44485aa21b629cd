-- The names of the organizations with some ids that exist.
--
-- Parameter: ids.
SELECT o.id, o.name
FROM connection_paths.known_organizations AS o
WHERE o.id = ANY (%(ids)s::bigint[])
