-- Returns the state of the queue: the number of waiting changes, the age of the oldest in seconds, the number of
-- contacts that failed three times, one of them with its error, and whether a `sync --follow` waits for changes.
-- Changes that are due by date, and company names whose decision has changed, count as waiting. At most one million
-- changes are read.
SELECT
    count(*) FILTER (WHERE NOT q.has_failed) AS waiting,
    extract(epoch FROM clock_timestamp() - min(q.changed_at) FILTER (WHERE NOT q.has_failed))::double precision AS oldest,
    count(DISTINCT q.contact_id) FILTER (WHERE q.has_failed) AS failed,
    (array_agg(q.contact_id ORDER BY q.contact_id) FILTER (WHERE q.has_failed))[1] AS failed_contact,
    (array_agg(q.error ORDER BY q.contact_id) FILTER (WHERE q.has_failed))[1] AS failed_error,
    EXISTS (SELECT FROM connection_paths.lock_holders('listener') AS h) AS is_followed
FROM (
    SELECT c.contact_id, c.changed_at, c.has_failed, c.error
    FROM connection_paths.contact_changes AS c
    UNION ALL
    SELECT d.contact_id, d.due_on, false, NULL
    FROM connection_paths.due_changes AS d
    WHERE d.due_on <= CURRENT_DATE
    UNION ALL
    SELECT NULL, n.changed_at, false, NULL
    FROM connection_paths.name_changes AS n
    LIMIT 1000000
) AS q
