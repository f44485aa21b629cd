-- connection_paths.mark_exchanged(run_id)
--
-- Moves a rebuild from the phase indexing to the phase exchanged.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     true when the phase has changed. false when the run is over, or is not in the phase indexing.
--     After true, this transaction holds the lock of the run's row. So no other session can cancel the run, and drop
--     its table, before this transaction ends.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     backfill_runs
-- Used by
--     exchange_rebuild
CREATE OR REPLACE FUNCTION connection_paths.mark_exchanged(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE connection_paths.backfill_runs AS r
    SET phase = 'exchanged'
    WHERE r.run_id = mark_exchanged.run_id AND r.is_active AND r.phase = 'indexing';
    RETURN FOUND;
END
$function$;

COMMENT ON FUNCTION connection_paths.mark_exchanged(bigint) IS 'Moves a rebuild from the phase indexing to the phase exchanged; part of the exchange';

REVOKE ALL ON FUNCTION connection_paths.mark_exchanged(bigint) FROM PUBLIC;
