-- Returns true if there are 1,000 work experiences or more, but no edge of them and no queued change.
-- Without LIMIT 1, Citus would copy every edge to the coordinator.
SELECT
    (SELECT count(*) = 1000 FROM (SELECT 1 FROM connection_paths.employments AS e LIMIT 1000) AS e)
    AND NOT EXISTS (SELECT 1 FROM connection_paths.contact_connections AS c WHERE c.kind = 'work_overlap' LIMIT 1)
    AND NOT EXISTS (SELECT 1 FROM connection_paths.contact_changes AS q)
    AS is_so
