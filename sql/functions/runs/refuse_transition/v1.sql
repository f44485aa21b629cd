-- connection_paths.refuse_transition()
--
-- Trigger that raises an error for a change of state that is not in the state machine of runs and batches.
--
-- Parameters
--     none
-- Returns
--     Never returns: it always raises.
-- Errors
--     55000  The run or the batch cannot go from its old state to the new one.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     trigger on backfill_runs, trigger on backfill_batches
-- Why
--     The WHEN conditions of the two triggers list the legal transitions, so the function is called for no other.
--     A cancelled rebuild must not be resumed: changes are no longer recorded for it, and the next rebuild may have
--     taken its table. A batch that is done must not be done again: a rebuild would insert its edges twice.
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
    IF OLD.status NOT IN ('running', 'paused') THEN
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
