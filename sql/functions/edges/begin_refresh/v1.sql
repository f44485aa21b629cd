-- connection_paths.begin_refresh()
--
-- Announces to other sessions that this transaction refreshes edges.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     25001  The transaction is not READ COMMITTED: its statements may see data that is older than the lock.
--     55P03  Other sessions hold every advisory lock of the purpose 'refresh' exclusively.
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     write_edges
-- Why
--     The function takes a shared advisory lock until the transaction ends. The id of the lock is the oldest
--     transaction whose work the following statements may not see. Before sync_changes refreshes a change, it waits for
--     the transactions whose lock shows that they may not have seen the change. Without this wait, a transaction could
--     commit an edge that it computed before the change, after sync_changes removed the change from the queue. The
--     wrong edge would stay.
--
--     The function never waits. When another session holds the lock exclusively, it takes the lock of the next older
--     transaction. An older id is safe: more changes wait for it than necessary.
CREATE OR REPLACE FUNCTION connection_paths.begin_refresh()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    oldest bigint := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
BEGIN
    PERFORM connection_paths.require_sources();
    PERFORM connection_paths.require_read_committed();
    -- lock_holders recognizes this transaction by this lock, whatever rights the role of the session has
    LOCK TABLE connection_paths.contact_connections IN ROW EXCLUSIVE MODE;
    WHILE NOT pg_try_advisory_xact_lock_shared(connection_paths.advisory_key('refresh', oldest)) LOOP
        IF oldest = 0 THEN
            RAISE EXCEPTION 'other sessions hold every advisory lock of the purpose refresh'
                USING ERRCODE = 'lock_not_available', HINT = 'Look for these sessions in pg_locks and end them.';
        END IF;
        oldest := oldest - 1;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.begin_refresh() IS 'Announces, until the transaction ends, that this transaction refreshes edges';

REVOKE ALL ON FUNCTION connection_paths.begin_refresh() FROM PUBLIC;
