-- connection_paths.begin_indexing(run_id)
--
-- Moves a rebuild from the phase filling to the phase indexing.
--
-- Parameters
--     run_id  The run. NULL is an unknown run.
-- Returns
--     True when the phase has changed. False when the run is not a rebuild, is over, or is past the phase filling.
--     After true, the run cannot be cancelled until the transaction ends, so the rebuild's table stays its own.
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
        AND r.status IN ('running', 'paused')
        AND r.phase = 'filling';
    RETURN FOUND;
END
$function$;

COMMENT ON FUNCTION connection_paths.begin_indexing(bigint) IS 'Moves a rebuild from the phase filling to the phase indexing; part of a rebuild';

REVOKE ALL ON FUNCTION connection_paths.begin_indexing(bigint) FROM PUBLIC;
