-- Organizations of edges, those of most edges first.
SELECT c.organization_id
FROM connection_paths.contact_connections AS c
WHERE c.organization_id IS NOT NULL
GROUP BY 1
ORDER BY count(*) DESC, 1
LIMIT 200
