-- connection_paths.await_recomputes(written_by): waits for every recomputation that may not have seen a transaction.
--
-- written_by  a transaction that has ended
--
-- A recomputation that began when some transaction up to this one was still under way may have read what was there
-- before. Once all of those have ended, whoever computes anew has the last word. (The idea is that of grace periods in
-- read-copy-update.)
--
-- The wait ends when the transactions that were under way at its start have ended. Recomputations that begin later have
-- seen the change and are not waited for.
--
-- PostgreSQL cannot see that one session waits for another here, and its deadlock detector does not end a circle that
-- goes through this wait. The wait is given up when it may be part of a circle:
--   after a tenth of a second, when another session waits for a lock of this transaction, such as a lock of a table
--       that it has read;
--   after half a second, when this transaction has recomputed edges, so that others may wait for it here.
-- In sync_changes a transaction of its own holds nothing that anybody needs, and waits up to 60 seconds.
--
-- Raises 55P03 when the wait is given up, with the pid of one that was waited for: call again in another transaction.
CREATE OR REPLACE FUNCTION connection_paths.await_recomputes(written_by xid8)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    began CONSTANT timestamptz := clock_timestamp();
    pause double precision := 0.001;
    awaited text[];
    process integer;
    patience double precision := 60;
    waited double precision;
BEGIN
    IF EXISTS (
        SELECT FROM connection_paths.lock_holders('recompute') AS h WHERE h.pid = pg_backend_pid()
    ) THEN
        patience := 0.5;
    END IF;
    LOOP
        SELECT array_agg(h.holder), min(h.pid)
        INTO awaited, process
        FROM connection_paths.lock_holders('recompute') AS h
        WHERE h.id <= await_recomputes.written_by::text::bigint
            AND h.pid IS DISTINCT FROM pg_backend_pid()
            -- from the second time on, those of the first; one that is prepared has another name from then on
            AND (awaited IS NULL OR h.holder = ANY (awaited) OR h.pid IS NULL);
        EXIT WHEN awaited IS NULL;

        waited := extract(epoch FROM clock_timestamp() - began);
        IF waited > patience THEN
            RAISE EXCEPTION 'another transaction has been recomputing edges for % s', round(waited)
                USING ERRCODE = 'lock_not_available',
                    HINT = COALESCE('End it: pg_terminate_backend(' || process || ').', 'See pg_prepared_xacts.');
        END IF;
        IF waited > 0.1 AND EXISTS (
            SELECT
            FROM pg_catalog.pg_locks AS l
            WHERE NOT l.granted AND pg_backend_pid() = ANY (pg_blocking_pids(l.pid))
        ) THEN
            RAISE EXCEPTION 'another session waits for this transaction, which waits for a recomputation of edges'
                USING ERRCODE = 'lock_not_available',
                    HINT = 'Call again in another transaction. It waited for '
                        || COALESCE('process ' || process, 'a prepared transaction') || '.';
        END IF;
        PERFORM pg_sleep(pause);
        pause := LEAST(pause * 1.5, 0.05);
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.await_recomputes(xid8) IS 'Waits for the recomputations under way that may not have seen what this transaction wrote';

REVOKE ALL ON FUNCTION connection_paths.await_recomputes(xid8) FROM PUBLIC;
