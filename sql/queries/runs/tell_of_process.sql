-- Records a process's state for `runs show`. Parameters: run_id, process (its name), worker (the number of its session
-- as a worker; while that session lives the process counts as alive), told (JSON).
-- No row where somebody has the run locked: it is no reason to wait.
UPDATE connection_paths.backfill_runs AS r
SET processes = r.processes || jsonb_build_object(
    %(process)s::text,
    %(told)s::jsonb || jsonb_build_object('at', clock_timestamp(), 'worker', %(worker)s::integer)
)
WHERE r.run_id = (
    SELECT f.run_id
    FROM connection_paths.backfill_runs AS f
    WHERE f.run_id = %(run_id)s AND f.status IN ('running', 'paused')
    FOR NO KEY UPDATE SKIP LOCKED
)
