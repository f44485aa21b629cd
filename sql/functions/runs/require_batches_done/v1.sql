-- connection_paths.require_batches_done(run_id): raises CP002 while a run has batches to do, 02000 when it is unknown.
CREATE OR REPLACE FUNCTION connection_paths.require_batches_done(run_id bigint)
RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    left_to_do bigint;
BEGIN
    IF NOT EXISTS (
        SELECT FROM connection_paths.backfill_runs AS r WHERE r.run_id = require_batches_done.run_id
    ) THEN
        RAISE EXCEPTION 'there is no run %', run_id USING ERRCODE = '02000';
    END IF;
    SELECT count(*)
    INTO left_to_do
    FROM connection_paths.backfill_batches AS b
    WHERE b.run_id = require_batches_done.run_id AND b.status IN ('pending', 'claimed');
    IF left_to_do > 0 THEN
        RAISE EXCEPTION 'run % has % batches to do', run_id, left_to_do
            USING ERRCODE = 'CP002', HINT = 'Batches may be open again after a crash: claim_batch.';
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.require_batches_done(bigint) IS 'Raises unless every batch of a run is done or set aside';

REVOKE ALL ON FUNCTION connection_paths.require_batches_done(bigint) FROM PUBLIC;
