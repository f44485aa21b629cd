-- connection_paths.require_batches_done(run_id)
--
-- Raises an error unless every batch of a run is done or set aside.
--
-- Parameters
--     run_id  The run. NULL counts as a run that does not exist.
-- Returns
--     Nothing.
-- Errors
--     02000  There is no such run.
--     CP002  The run has batches that are pending or claimed.
-- Reads
--     backfill_runs, backfill_batches
-- Writes
--     none
-- Used by
--     copy_remaining_edges, finish_run
CREATE OR REPLACE FUNCTION connection_paths.require_batches_done(run_id bigint)
RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    open_batches bigint;
BEGIN
    IF NOT EXISTS (
        SELECT FROM connection_paths.backfill_runs AS r WHERE r.run_id = require_batches_done.run_id
    ) THEN
        RAISE EXCEPTION 'there is no run %', run_id
            USING ERRCODE = '02000', HINT = 'The view backfill_progress lists all runs.';
    END IF;
    SELECT count(*)
    INTO open_batches
    FROM connection_paths.backfill_batches AS b
    WHERE b.run_id = require_batches_done.run_id AND b.status IN ('pending', 'claimed');
    IF open_batches > 0 THEN
        RAISE EXCEPTION 'run % has % batches to do', run_id, open_batches
            USING ERRCODE = 'CP002', HINT = 'Claim and do them. After a crash, batches that were done may be pending again.';
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.require_batches_done(bigint) IS 'Raises an error unless every batch of a run is done or set aside';

REVOKE ALL ON FUNCTION connection_paths.require_batches_done(bigint) FROM PUBLIC;
