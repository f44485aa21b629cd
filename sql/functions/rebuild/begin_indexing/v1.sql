-- connection_paths.begin_indexing(run_id)
--
-- Moves a rebuild from the phase filling to the phase indexing.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     true when the phase has changed. false when the run is not a rebuild, is over, or is past the phase filling.
--     After true, this transaction holds the lock of the run's row. So no other session can cancel the run, and drop
--     its table, before this transaction ends.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     backfill_runs
-- Used by
--     copy_remaining_edges
CREATE OR REPLACE FUNCTION connection_paths.begin_indexing(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    UPDATE connection_paths.backfill_runs AS r
    SET phase = 'indexing'
    WHERE r.run_id = begin_indexing.run_id
        AND r.strategy = 'rebuild'
        AND r.is_active
        AND r.phase = 'filling';
    RETURN FOUND;
END
$function$;

COMMENT ON FUNCTION connection_paths.begin_indexing(bigint) IS 'Moves a rebuild from the phase filling to the phase indexing; part of a rebuild';

REVOKE ALL ON FUNCTION connection_paths.begin_indexing(bigint) FROM PUBLIC;
