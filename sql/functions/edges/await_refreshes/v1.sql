-- connection_paths.await_refreshes(written_by)
--
-- Waits for the transactions that refresh edges and may not have seen the work of an ended transaction.
--
-- Parameters
--     written_by  The ended transaction. Required.
-- Returns
--     Nothing, after the wait.
-- Errors
--     55P03  The wait took too long; the hint names a process that was waited for. Call again in another transaction.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     sync_changes
-- Why
--     A refresh that began while a transaction up to written_by was in progress may have read old data. After all these
--     refreshes have ended, the next refresh is the last one to write. Read-copy-update calls this a grace period. The
--     wait is only for the refreshes that are in progress when it begins; later ones have seen the change.
--
--     The deadlock detector of PostgreSQL does not see this wait. So the function gives up when the wait may be part of
--     a deadlock:
--         after 0.1 s, when another session waits for a lock of this transaction, such as the lock of a table that this
--         transaction has read;
--         after 0.5 s, when this transaction has refreshed edges itself, because another session may wait for it here;
--         after 60 s in all other cases. A transaction of sync_changes holds nothing that other sessions need.
CREATE OR REPLACE FUNCTION connection_paths.await_refreshes(written_by xid8)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    started CONSTANT timestamptz := clock_timestamp();
    pause double precision := 0.001;
    awaited text[];
    process integer;
    max_seconds double precision := 60;
    waited double precision;
BEGIN
    IF EXISTS (
        SELECT FROM connection_paths.lock_holders('refresh') AS h WHERE h.pid = pg_backend_pid()
    ) THEN
        max_seconds := 0.5;
    END IF;
    LOOP
        SELECT array_agg(h.holder), min(h.pid)
        INTO awaited, process
        FROM connection_paths.lock_holders('refresh') AS h
        WHERE h.id <= await_refreshes.written_by::text::bigint
            AND h.pid IS DISTINCT FROM pg_backend_pid()
            -- later rounds look only at the holders of the first round; PREPARE TRANSACTION renames a holder
            AND (awaited IS NULL OR h.holder = ANY (awaited) OR h.pid IS NULL);
        EXIT WHEN awaited IS NULL;

        waited := extract(epoch FROM clock_timestamp() - started);
        IF waited > max_seconds THEN
            RAISE EXCEPTION 'another transaction has been refreshing edges for % s', round(waited)
                USING ERRCODE = 'lock_not_available',
                    HINT = COALESCE('End it with pg_terminate_backend(' || process || ').', 'Look for it in pg_prepared_xacts.');
        END IF;
        IF waited > 0.1 AND EXISTS (
            SELECT
            FROM pg_catalog.pg_locks AS l
            WHERE NOT l.granted AND pg_backend_pid() = ANY (pg_blocking_pids(l.pid))
        ) THEN
            RAISE EXCEPTION 'another session waits for this transaction, which waits for a refresh of edges'
                USING ERRCODE = 'lock_not_available',
                    HINT = 'Call again in another transaction. This call waited for '
                        || COALESCE('process ' || process, 'a prepared transaction') || '.';
        END IF;
        PERFORM pg_sleep(pause);
        pause := LEAST(pause * 1.5, 0.05);
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.await_refreshes(xid8) IS 'Waits for the refreshes in progress that may not have seen the work of a transaction';

REVOKE ALL ON FUNCTION connection_paths.await_refreshes(xid8) FROM PUBLIC;
