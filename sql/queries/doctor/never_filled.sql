-- Returns true if there are 1,000 work experiences or more, but no edge of them and no queued change.
SELECT
    (SELECT count(*) = 1000 FROM (SELECT FROM connection_paths.employments AS e LIMIT 1000) AS e)
    AND NOT EXISTS (SELECT FROM connection_paths.contact_connections AS c WHERE c.kind = 'work_overlap')
    AND NOT EXISTS (SELECT FROM connection_paths.contact_changes AS q)
    AS is_so
