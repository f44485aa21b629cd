-- connection_paths.recover_capture()
--
-- Queues every contact after triggers that failed to queue changes work again.
--
-- Parameters
--     none
-- Returns
--     The number of failures that were taken a step further. While it is not 0, call the function again in another
--     transaction. 0: there is no failure, or every failure waits until its triggers work again, or until open
--     transactions have ended.
-- Errors
--     none
-- Reads
--     capture_failures
-- Writes
--     capture_failures, contact_changes
-- Used by
--     sync_changes
-- Why
--     The missed changes are unknown, so every contact must be refreshed, but only after the last missed change is
--     committed. Each call takes each failure one step further, and each step needs a transaction of its own:
--         1. When the triggers of the table work again, the call closes the failure. From now on a writer that fails
--            records a new failure.
--         2. When the closing is committed, the call stores the next transaction id that the server will assign. Every
--            writer that saw the failure open, and so recorded none of its own, has an older id. (The caller's own id
--            would not be enough: it may be older than the id of such a writer.)
--         3. When all transactions before the stored id have ended, the call deletes the failure and queues every
--            contact. No missed change can be committed after this.
--     Rows that another session has locked are skipped. Without failures, a call reads one empty table.
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
    steps bigint := 0;
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
        ELSIF failure.closed_by <> pg_current_xact_id() AND failure.awaited IS NULL THEN
            UPDATE connection_paths.capture_failures AS f
            SET awaited = pg_snapshot_xmax(pg_current_snapshot())
            WHERE f.ctid = failure.place;
        ELSIF failure.closed_by IS NULL AND connection_paths.capture_works(failure.table_oid) THEN
            UPDATE connection_paths.capture_failures AS f
            SET closed_by = pg_current_xact_id()
            WHERE f.ctid = failure.place;
        ELSE
            CONTINUE;
        END IF;
        steps := steps + 1;
    END LOOP;
    IF missed_since IS NOT NULL THEN
        -- the queue row has the time of the oldest missed change, because its age shows how far the edges are behind
        INSERT INTO connection_paths.contact_changes (contact_id, changed_at) VALUES (NULL, missed_since);
    END IF;
    RETURN steps;
END
$function$;

COMMENT ON FUNCTION connection_paths.recover_capture() IS 'Queues every contact once triggers that failed work again and no missed change can be committed later';

REVOKE ALL ON FUNCTION connection_paths.recover_capture() FROM PUBLIC;
