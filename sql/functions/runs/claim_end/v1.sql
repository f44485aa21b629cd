-- connection_paths.claim_end(run_id): gives this session the right to finish a run once its batches are done.
--
-- The session becomes a worker, and its number is written into the run's row: it takes the right to update
-- backfill_runs to hold the end of a run, and an advisory lock alone holds nothing. The claim ends with the session:
-- a number that no living worker has counts as none.
--
-- Returns  whether this session has the end of the run now. False: another living worker has it, or there is nothing
--          to end, for the run is paused, over and cleaned up, or not there.
CREATE OR REPLACE FUNCTION connection_paths.claim_end(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    worker CONSTANT integer := connection_paths.register_worker();
    ender integer;
BEGIN
    SELECT r.ended_by
    INTO ender
    FROM connection_paths.backfill_runs AS r
    WHERE r.run_id = claim_end.run_id AND r.status IN ('running', 'cancelled') AND r.phase <> 'finished'
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF ender IS DISTINCT FROM worker THEN
        IF ender IN (SELECT h.id FROM connection_paths.lock_holders('worker') AS h) THEN
            RETURN false;
        END IF;
        UPDATE connection_paths.backfill_runs AS r SET ended_by = worker WHERE r.run_id = claim_end.run_id;
    END IF;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.claim_end(bigint) IS 'Makes this session the one that ends a run, unless another living worker is';

REVOKE ALL ON FUNCTION connection_paths.claim_end(bigint) FROM PUBLIC;
