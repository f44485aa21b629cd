-- Brings organization_names up to date for the next organizations.
--
-- Parameters: above, at_most.
SELECT r.upto_organization_id, r.looked_at, r.changed
FROM connection_paths.refresh_organization_names(%(above)s::bigint, %(at_most)s::integer) AS r
