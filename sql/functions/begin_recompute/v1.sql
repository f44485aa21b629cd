-- connection_paths.begin_recompute(): what a transaction says before it recomputes edges.
--
-- Takes a shared advisory lock until the transaction ends, under the oldest transaction whose work the statements that
-- follow may not see. It makes nobody wait here; sync_changes waits for the holders that may not have seen a change
-- before it recomputes that change: else an edge computed before the change could be committed after it was taken off
-- the queue, and stay.
--
-- Raises what require_sources raises: a table that is detached, or that Citus manages. Raises 25001 unless the transaction is READ COMMITTED: under another level the statements that follow would see what
-- the transaction's first one saw, which may be older than this lock.
CREATE OR REPLACE FUNCTION connection_paths.begin_recompute()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM connection_paths.require_sources();
    PERFORM connection_paths.require_read_committed();
    PERFORM pg_advisory_xact_lock_shared(
        connection_paths.advisory_key('recompute', pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.begin_recompute() IS 'Announces, until the transaction ends, that edges are being recomputed from what is visible from now on';

REVOKE ALL ON FUNCTION connection_paths.begin_recompute() FROM PUBLIC;
