-- Counts the organizations that do not exist and that work experiences name.
--
-- `experiences` has every row of the application's table; the caller puts it in front of this query as a CTE.
SELECT count(*)
FROM (SELECT DISTINCT e.organization_id AS id FROM experiences AS e WHERE e.organization_id IS NOT NULL) AS named
WHERE NOT EXISTS (SELECT FROM connection_paths.known_organizations AS o WHERE o.id = named.id)
