-- connection_paths.cancel_run(run_id): ends a run before its end.
--
-- Edges that an in-place run has corrected stay; what a rebuild has made is dropped, which waits for batches under way.
-- A run whose status an operator has set to 'cancelled' is cleaned up the same way. The next run may have begun by
-- then. prepare_rebuild locks the same table, so nobody makes a rebuild's tables while they are dropped here.
--
-- Returns  whether the run was there to be cancelled: running, paused, or cancelled and not cleaned up.
-- Raises   25001 unless the transaction is READ COMMITTED.
CREATE OR REPLACE FUNCTION connection_paths.cancel_run(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    run record;
BEGIN
    PERFORM connection_paths.require_read_committed();
    LOCK TABLE connection_paths.rebuild_missing_contacts IN SHARE ROW EXCLUSIVE MODE;
    UPDATE connection_paths.backfill_runs AS r
    SET status = 'cancelled', phase = 'finished', finished_at = COALESCE(r.finished_at, clock_timestamp())
    WHERE r.run_id = cancel_run.run_id
        AND r.status IN ('running', 'paused', 'cancelled')
        AND r.phase <> 'finished'
    RETURNING r.strategy INTO run;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF run.strategy = 'rebuild' AND NOT EXISTS (
        -- Another rebuild has begun; the tables are its own.
        SELECT
        FROM connection_paths.backfill_runs AS r
        WHERE r.strategy = 'rebuild' AND r.status IN ('running', 'paused')
    ) THEN
        PERFORM connection_paths.drop_rebuild();
    END IF;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.cancel_run(bigint) IS 'Cancels a run and drops what a rebuild has made';

REVOKE ALL ON FUNCTION connection_paths.cancel_run(bigint) FROM PUBLIC;
