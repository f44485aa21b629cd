-- connection_paths.copy_remaining_edges(run_id)
--
-- Copies the edges that no batch computes into the table of a rebuild, after the last batch.
--
-- Parameters
--     run_id  The run. Required.
-- Returns
--     The number of edges that were copied. 0 when the run is not a rebuild in the phase filling, or is over.
-- Errors
--     25001  The transaction is not READ COMMITTED.
--     02000  There is no such run.
--     CP002  Some batches are not finished.
--     CP004  The table of the rebuild does not exist.
-- Reads
--     backfill_batches, contact_connections_live, rebuild_missing_contacts
-- Writes
--     contact_connections_next, rebuild_replays
-- Used by
--     orchestrator/rebuild/rebuild.py
-- Why
--     The function copies the edges of other kinds as they are now; triggers record later changes of them. It also
--     copies the old work_overlap edges of contacts that were set aside: they could not be computed, and an old edge is
--     better than none.
--
--     The batches used a list of missing contacts that was made when the rebuild began. A contact that was inserted or
--     deleted since then is queued for the time after the exchange, because a sync may have refreshed it before the
--     sync could see the run.
--
--     The phase of the run becomes indexing in the same transaction. So the function may be called again after a crash.
CREATE OR REPLACE FUNCTION connection_paths.copy_remaining_edges(run_id bigint)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    others bigint;
    kept bigint;
BEGIN
    PERFORM connection_paths.require_read_committed();
    PERFORM connection_paths.require_batches_done(copy_remaining_edges.run_id);
    PERFORM connection_paths.require_rebuild(copy_remaining_edges.run_id);
    IF NOT connection_paths.begin_indexing(copy_remaining_edges.run_id) THEN
        RETURN 0;
    END IF;

    INSERT INTO connection_paths.contact_connections_next
    SELECT c.* FROM connection_paths.contact_connections_live AS c WHERE c.kind <> 'work_overlap';
    GET DIAGNOSTICS others = ROW_COUNT;

    INSERT INTO connection_paths.contact_connections_next
    SELECT c.*
    FROM connection_paths.backfill_batches AS b
    JOIN connection_paths.contact_connections_live AS c
        ON (b.above_contact_id IS NULL OR c.contact_a_id > b.above_contact_id)
        AND (b.upto_contact_id IS NULL OR c.contact_a_id <= b.upto_contact_id)
    WHERE b.run_id = copy_remaining_edges.run_id AND b.status = 'set aside' AND c.kind = 'work_overlap';
    GET DIAGNOSTICS kept = ROW_COUNT;

    INSERT INTO connection_paths.rebuild_replays (contact_id)
    SELECT contact_id
    FROM connection_paths.missing_contacts() AS now
    FULL JOIN connection_paths.rebuild_missing_contacts AS earlier USING (contact_id)
    WHERE now.contact_id IS NULL OR earlier.contact_id IS NULL;

    RETURN others + kept;
END
$function$;

COMMENT ON FUNCTION connection_paths.copy_remaining_edges(bigint) IS 'Copies the edges of other kinds, and the old ones of contacts that were set aside, into the table of a rebuild';

REVOKE ALL ON FUNCTION connection_paths.copy_remaining_edges(bigint) FROM PUBLIC;
