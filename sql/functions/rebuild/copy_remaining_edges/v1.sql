-- connection_paths.copy_remaining_edges(run_id): adds to a rebuild, once its batches are done, the edges that no batch makes.
--
-- These are the edges of other kinds as they are now (later changes are noted by triggers), and the old work_overlap
-- edges of contacts that were set aside: those could not be computed, and an old edge is better than none. Contacts
-- that appeared or disappeared since the rebuild listed the missing ones are recomputed after the swap: a sync may have
-- processed that change before the run was visible to it. The run's phase then is 'indexing'. In any other phase, or
-- when the run is cancelled, the function does nothing, so it may be called again after any crash.
--
-- Returns  how many edges were carried.
-- Raises   CP002 while there are batches to do, CP004 when the table of the rebuild is not there, 02000 for an unknown
--          run, 25001 unless the transaction is READ COMMITTED.
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
    UPDATE connection_paths.backfill_runs AS r
    SET phase = 'indexing'
    WHERE r.run_id = copy_remaining_edges.run_id
        AND r.phase = 'filling'
        AND r.strategy = 'rebuild'
        AND r.status IN ('running', 'paused'); -- and nobody cancels it now: the table stays this run's
    IF NOT FOUND THEN
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
    FULL JOIN connection_paths.rebuild_missing_contacts AS noted USING (contact_id)
    WHERE now.contact_id IS NULL OR noted.contact_id IS NULL;

    RETURN others + kept;
END
$function$;

COMMENT ON FUNCTION connection_paths.copy_remaining_edges(bigint) IS 'Adds to a rebuild the edges of other kinds and the old ones of contacts that were set aside, and notes who came or went';

REVOKE ALL ON FUNCTION connection_paths.copy_remaining_edges(bigint) FROM PUBLIC;
