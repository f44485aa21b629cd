-- The state of the queue of changes. Contacts whose scheduled refresh is due, and company names whose decision has
-- changed, count as queue rows.
--
-- waiting  how many queue rows wait
-- oldest   the age of the oldest waiting row in seconds; NULL: none waits
-- failed   the number of contacts whose refresh has failed three times
SELECT
    count(*) FILTER (WHERE NOT q.has_failed) AS waiting,
    extract(epoch FROM clock_timestamp() - min(q.changed_at) FILTER (WHERE NOT q.has_failed))::double precision AS oldest,
    count(DISTINCT q.contact_id) FILTER (WHERE q.has_failed) AS failed
FROM (
    SELECT c.contact_id, c.changed_at, c.has_failed
    FROM connection_paths.contact_changes AS c
    UNION ALL
    SELECT d.contact_id, d.due_on, false
    FROM connection_paths.due_changes AS d
    WHERE d.due_on <= CURRENT_DATE
    UNION ALL
    SELECT NULL, n.changed_at, false
    FROM connection_paths.name_changes AS n
) AS q
