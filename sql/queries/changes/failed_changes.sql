-- The contacts whose refresh failed three times, each with the error of its latest change.
SELECT DISTINCT ON (q.contact_id) q.contact_id, q.error
FROM connection_paths.contact_changes AS q
WHERE q.has_failed
ORDER BY q.contact_id, q.changed_at DESC
