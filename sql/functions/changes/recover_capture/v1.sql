-- connection_paths.recover_capture(): queues every contact after triggers failed to note changes and work again.
--
-- The changes that were missed are unknown. Each call takes every failure one step further; the steps are taken in
-- different transactions. sync_changes calls it first.
--
-- 1. The triggers of the table work again: the failure is closed. Writers that fail from now on record a new one.
-- 2. The closing is committed: the next transaction id to be given out is kept. Every writer that relied on the closed
--    failure, instead of recording its own, has an older one. (Not the caller's own id, which may be older still.)
-- 3. All transactions before that one have ended: the failure is replaced by a note for everybody. No change that was
--    missed can be committed later.
--
-- Skips what another session has in hand. Costs one look at an empty table when there is no failure.
-- Returns  how many failures are not replaced yet though their triggers work: call again.
CREATE OR REPLACE FUNCTION connection_paths.recover_capture()
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    failure record;
    open_failures bigint := 0;
    missed_since timestamptz;
BEGIN
    FOR failure IN
        SELECT f.ctid AS place, f.table_oid, f.failed_at, f.closed_by, f.awaited
        FROM connection_paths.capture_failures AS f
        FOR UPDATE SKIP LOCKED
    LOOP
        IF failure.awaited <= pg_snapshot_xmin(pg_current_snapshot()) THEN
            DELETE FROM connection_paths.capture_failures AS f WHERE f.ctid = failure.place;
            missed_since := LEAST(missed_since, failure.failed_at);
            CONTINUE;
        ELSIF failure.closed_by <> pg_current_xact_id() AND failure.awaited IS NULL THEN
            UPDATE connection_paths.capture_failures AS f
            SET awaited = pg_snapshot_xmax(pg_current_snapshot())
            WHERE f.ctid = failure.place;
        ELSIF failure.closed_by IS NULL AND connection_paths.capture_works(failure.table_oid) THEN
            UPDATE connection_paths.capture_failures AS f
            SET closed_by = pg_current_xact_id()
            WHERE f.ctid = failure.place;
        ELSIF failure.closed_by IS NULL THEN
            CONTINUE;
        END IF;
        open_failures := open_failures + 1;
    END LOOP;
    IF missed_since IS NOT NULL THEN
        -- the time of the oldest change tells how far behind the edges are, and what a sync waits for
        INSERT INTO connection_paths.contact_changes (contact_id, changed_at) VALUES (NULL, missed_since);
    END IF;
    RETURN open_failures;
END
$function$;

COMMENT ON FUNCTION connection_paths.recover_capture() IS 'Queues everybody once triggers work again that could not note some changes, and no such change can be committed later';

REVOKE ALL ON FUNCTION connection_paths.recover_capture() FROM PUBLIC;
