-- Removes a process's state, so that `runs show` does not list it. Parameters: run_id, process (its name).
-- It does not wait where somebody has the run locked: a process whose session has ended is not shown either.
UPDATE connection_paths.backfill_runs AS r
SET processes = r.processes - %(process)s::text
WHERE r.run_id = (
    SELECT f.run_id
    FROM connection_paths.backfill_runs AS f
    WHERE f.run_id = %(run_id)s
    FOR NO KEY UPDATE SKIP LOCKED
)
