-- Those of some company names that work experiences without an organization have.
--
-- Parameter: names.
SELECT c.company_name
FROM connection_paths.company_names AS c
WHERE c.company_name = ANY (%(names)s::text[])
