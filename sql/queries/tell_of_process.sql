-- A process says how it is doing, for `runs show` elsewhere. Parameters: run_id, process (its name), told (JSON).
UPDATE connection_paths.backfill_runs AS r
SET processes = r.processes || jsonb_build_object(
    %(process)s::text,
    %(told)s::jsonb || jsonb_build_object('at', clock_timestamp())
)
WHERE r.run_id = %(run_id)s AND r.status IN ('running', 'paused')
