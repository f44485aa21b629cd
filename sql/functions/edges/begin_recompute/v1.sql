-- connection_paths.begin_recompute(): what a transaction says before it recomputes edges.
--
-- Takes a shared advisory lock until the transaction ends, under the oldest transaction whose work the statements that
-- follow may not see. sync_changes waits for the holders that may not have seen a change before it recomputes that
-- change: else an edge computed before the change could be committed after it was taken off the queue, and stay.
--
-- It never waits. Any role can take any advisory lock; where somebody has taken this one exclusively, the lock of the
-- next older transaction is tried, and so on. An older one is as right: it is waited for by more.
--
-- Raises what require_sources raises: a table that is detached, or that Citus manages. Raises 25001 unless the
-- transaction is READ COMMITTED: under another level the statements that follow would see what the transaction's first
-- one saw, which may be older than this lock.
CREATE OR REPLACE FUNCTION connection_paths.begin_recompute()
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
    -- lock_holders counts this transaction by this lock, whoever's rights the session has
    LOCK TABLE connection_paths.contact_connections IN ROW EXCLUSIVE MODE;
    WHILE NOT pg_try_advisory_xact_lock_shared(connection_paths.advisory_key('recompute', oldest)) LOOP
        IF oldest = 0 THEN
            RAISE EXCEPTION 'somebody holds every advisory lock that tells of recomputed edges'
                USING ERRCODE = 'lock_not_available', HINT = 'See pg_locks.';
        END IF;
        oldest := oldest - 1;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.begin_recompute() IS 'Announces, until the transaction ends, that edges are being recomputed from what is visible from now on';

REVOKE ALL ON FUNCTION connection_paths.begin_recompute() FROM PUBLIC;
