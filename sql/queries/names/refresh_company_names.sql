-- Brings company_names up to date for the next names.
--
-- Parameters: above, at_most.
SELECT r.upto_name, r.looked_at, r.added
FROM connection_paths.refresh_company_names(%(above)s::text, %(at_most)s::integer) AS r
