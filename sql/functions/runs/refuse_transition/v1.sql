-- connection_paths.refuse_transition()
--
-- Trigger function that raises an error for a change of state that a run or a batch may not make.
--
-- Parameters
--     none
-- Returns
--     Nothing: it always raises an error.
-- Errors
--     55000  The run or the batch cannot go from its old state to the new one.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     trigger on backfill_runs, trigger on backfill_batches
-- Why
--     The WHEN conditions of the two triggers list the changes of state that are allowed. PostgreSQL calls this
--     function only for other changes.
--
--     A cancelled rebuild must not continue: changes of edges are no longer recorded for it, and its table may belong
--     to the next rebuild. A batch that is done must not be done again: a rebuild would insert its edges twice.
CREATE OR REPLACE FUNCTION connection_paths.refuse_transition()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_TABLE_NAME = 'backfill_batches' THEN
        RAISE EXCEPTION 'batch % of run % cannot go from % to %', OLD.batch_id, OLD.run_id, OLD.status, NEW.status
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'Only claim_batch, do_batch and fail_batch change the status of a batch.';
    END IF;
    IF NOT OLD.is_active THEN
        RAISE EXCEPTION 'run % is over: %', OLD.run_id, OLD.status
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Create another run: create_run.';
    END IF;
    RAISE EXCEPTION 'run % cannot go from % (%) to % (%)',
        OLD.run_id, OLD.status, OLD.phase, NEW.status, NEW.phase
        USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Use pause_run, resume_run or cancel_run; workers make all other changes.';
END
$function$;

COMMENT ON FUNCTION connection_paths.refuse_transition() IS 'Trigger: raises an error for a change of state that a run or a batch cannot make';

REVOKE ALL ON FUNCTION connection_paths.refuse_transition() FROM PUBLIC;
