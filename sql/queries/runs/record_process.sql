-- Records the state of an orchestrator process in its run, where `runs show` reads it.
--
-- Parameters: run_id; process, its name; worker, the number of its session as a worker; report, JSON. A process counts
-- as alive while that worker lives.
-- No row is changed while another session has the run locked: the caller tries again later instead of waiting.
UPDATE connection_paths.backfill_runs AS r
SET processes = r.processes || jsonb_build_object(
    %(process)s::text,
    %(report)s::jsonb || jsonb_build_object('at', clock_timestamp(), 'worker', %(worker)s::integer)
)
WHERE r.run_id = (
    SELECT f.run_id
    FROM connection_paths.backfill_runs AS f
    WHERE f.run_id = %(run_id)s AND f.is_active
    FOR NO KEY UPDATE SKIP LOCKED
)
