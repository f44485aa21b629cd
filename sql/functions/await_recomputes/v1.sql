-- connection_paths.await_recomputes(written_by): waits for every recomputation that may not have seen a transaction.
--
-- written_by  a transaction that has ended
--
-- A recomputation that began when some transaction up to this one was still under way may have read what was there
-- before. Once all of those have ended, whoever computes anew has the last word. (The idea is that of grace periods in
-- read-copy-update.)
--
-- Those that begin meanwhile have seen it, whatever their lock says, and are not waited for. That is why it is
-- transactions that are waited for, not locks: beside a writer that has long been at it every recomputation has the
-- same lock, and there might always be one.
--
-- Waits without locks: the caller must not have begun to recompute itself, or two might wait for each other. Raises
-- 55P03 after 60 seconds, with the pid of one that is waited for.
CREATE OR REPLACE FUNCTION connection_paths.await_recomputes(written_by xid8)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    deadline CONSTANT timestamptz := clock_timestamp() + make_interval(secs => 60);
    pause double precision := 0.001;
    awaited text[];
    process integer;
BEGIN
    LOOP
        SELECT array_agg(h.holder), min(h.pid)
        INTO awaited, process
        FROM connection_paths.lock_holders('recompute') AS h
        WHERE h.id <= await_recomputes.written_by::text::bigint
            AND h.pid IS DISTINCT FROM pg_backend_pid()
            -- from the second time on, those of the first; one that is prepared has another name from then on
            AND (awaited IS NULL OR h.holder = ANY (awaited) OR h.pid IS NULL);
        EXIT WHEN awaited IS NULL;

        IF clock_timestamp() > deadline THEN
            RAISE EXCEPTION 'a transaction has been recomputing edges for over a minute'
                USING ERRCODE = 'lock_not_available',
                    HINT = COALESCE('End it: pg_terminate_backend(' || process || ').', 'See pg_prepared_xacts.');
        END IF;
        PERFORM pg_sleep(pause);
        pause := LEAST(pause * 1.5, 0.05);
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.await_recomputes(xid8) IS 'Waits for the recomputations under way that may not have seen what this transaction wrote';

REVOKE ALL ON FUNCTION connection_paths.await_recomputes(xid8) FROM PUBLIC;
