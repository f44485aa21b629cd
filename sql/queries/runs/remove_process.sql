-- Removes the state of an orchestrator process from its run, so that `runs show` does not list the process.
--
-- Parameters: run_id; process, its name.
-- No row is changed while another session has the run locked. That does no harm: `runs show` also leaves out a process
-- whose session has ended.
UPDATE connection_paths.backfill_runs AS r
SET processes = r.processes - %(process)s::text
WHERE r.run_id = (
    SELECT f.run_id
    FROM connection_paths.backfill_runs AS f
    WHERE f.run_id = %(run_id)s
    FOR NO KEY UPDATE SKIP LOCKED
)
