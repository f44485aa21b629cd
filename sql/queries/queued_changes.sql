-- The queue of changes: how many notes wait, the age of the oldest in seconds, and how many contacts were left after
-- three failures.
SELECT
    count(*) FILTER (WHERE q.failures < 3) AS waiting,
    extract(epoch FROM clock_timestamp() - min(q.changed_at) FILTER (WHERE q.failures < 3))::double precision AS oldest,
    count(DISTINCT q.contact_id) FILTER (WHERE q.failures >= 3) AS failed
FROM connection_paths.contact_changes AS q
