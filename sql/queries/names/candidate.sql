-- The candidate of a company name in some place.
--
-- Parameters: company_name; place.
SELECT p.organization_id, p.score
FROM connection_paths.name_proposals AS p
WHERE p.company_name = %(company_name)s::text COLLATE "C" AND p.place = %(place)s
