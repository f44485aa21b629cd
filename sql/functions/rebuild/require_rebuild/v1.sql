-- connection_paths.require_rebuild(run_id)
--
-- Raises an error when the table that a rebuild fills does not exist.
--
-- Parameters
--     run_id  The run. No error for a run that does not exist, is over, has exchanged its table or is no rebuild.
-- Returns
--     Nothing.
-- Errors
--     CP004  contact_connections_next does not exist.
-- Reads
--     backfill_runs, contact_connections_next
-- Writes
--     none
-- Used by
--     copy_remaining_edges, do_batch, orchestrator/rebuild/rebuild.py, orchestrator/runs/workers.py
-- Why
--     A restore of data without definitions brings back the row of a run, but not contact_connections_next. Such a run
--     cannot continue. Cancel it by cancel_run, or call `orchestrator backfill`, which cancels it and begins another.
CREATE OR REPLACE FUNCTION connection_paths.require_rebuild(run_id bigint)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF pg_catalog.to_regclass('connection_paths.contact_connections_next') IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM
    FROM connection_paths.backfill_runs AS r
    WHERE r.run_id = require_rebuild.run_id
        AND r.strategy = 'rebuild'
        AND r.is_active
        AND r.phase IN ('filling', 'indexing')
    FOR SHARE; -- waits for a session that exchanges or cancels the run now
    IF FOUND THEN
        RAISE EXCEPTION 'run % fills contact_connections_next, and that table does not exist', run_id
            USING ERRCODE = 'CP004', HINT = 'Call cancel_run for this run, then create_run.';
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.require_rebuild(bigint) IS 'Raises an error when the table that an active rebuild fills does not exist';

REVOKE ALL ON FUNCTION connection_paths.require_rebuild(bigint) FROM PUBLIC;
