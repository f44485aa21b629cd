-- Returns the ids of the organizations with a name, upper and lower case being the same. Parameters: name; most.
SELECT o.id
FROM connection_paths.known_organizations AS o
WHERE lower(o.name) = lower(%(name)s::text)
ORDER BY o.id
LIMIT %(most)s
