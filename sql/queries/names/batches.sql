-- The latest batches of decisions: number, how many names each decided, who and when.
SELECT h.batch_id, count(DISTINCT h.company_name) AS names, min(h.changed_by) AS changed_by, min(h.changed_at) AS changed_at
FROM connection_paths.name_decision_history AS h
WHERE h.batch_id IS NOT NULL
GROUP BY h.batch_id
ORDER BY h.batch_id DESC
LIMIT 20
