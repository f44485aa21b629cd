-- The workers of Citus that do not answer.
SELECT r.nodename, r.nodeport
FROM run_command_on_workers('SELECT 1') AS r
WHERE NOT r.success
ORDER BY r.nodename, r.nodeport
