-- connection_paths.sync_changes(max_changes, one_by_one, retry_failed): recomputes what changed.
--
-- Takes notes off the queue, waits for recomputations that may not have seen those changes, and makes the edges of each
-- contact what they should be; all in one transaction, so that nothing is lost by a death. An organization's note is
-- replaced by one for each contact that has worked there, everybody's by one for each contact, and contacts that were
-- held in due_changes until today are put in the queue: those are done by later calls. Call it until it returns no row
-- with taken > 0; any number of sessions may at once.
--
-- It waits before it reads a table of the host's, so that nobody who wants to lock one waits for it meanwhile. The wait
-- is given up with 55P03 where that is not enough (see await_recomputes): call again, in another transaction.
--
-- A contact that has a note of its own and no longer exists is also taken out of do_not_ask (see forget_contacts).
--
-- Raises what require_sources raises, before it takes anything. Calls recover_capture first.
--
-- max_changes   how many notes to take at most, at least 1
-- one_by_one    a contact whose recomputation raises is put back with its error, the others go on. Costs a
--               subtransaction each, so it is for when a call without it has failed; takes 50 at most. Deferred
--               constraints are checked after each contact, and go on being checked at once until the transaction ends.
--               Raised all the same is what would be raised without any contact, a missing right for instance; and
--               deadlocks, timeouts and cancellations, unless max_changes is 1: then the contact is to blame for them,
--               too.
-- retry_failed  takes notes that have failed three times, too
-- taken         notes taken
-- contacts      contacts recomputed
-- edges_changed rows inserted, updated or deleted
-- failed        contacts put back with an error
CREATE OR REPLACE FUNCTION connection_paths.sync_changes(
    max_changes integer DEFAULT 200,
    one_by_one boolean DEFAULT false,
    retry_failed boolean DEFAULT false
)
RETURNS TABLE (taken bigint, contacts bigint, edges_changed bigint, failed bigint)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    batch record;
    contact record;
BEGIN
    IF sync_changes.max_changes IS NULL OR sync_changes.max_changes < 1 THEN
        RAISE EXCEPTION 'max_changes must not be %', COALESCE(sync_changes.max_changes::text, 'null')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Use 1 or more.';
    END IF;
    PERFORM connection_paths.require_sources();
    PERFORM connection_paths.recover_capture();
    contacts := 0;
    edges_changed := 0;
    failed := 0;

    -- Due contacts are moved in a call of their own. Otherwise this call would hold rows of due_changes while it waits
    -- in await_recomputes, and sessions in hold_starts would wait for it.
    WITH due AS (
        DELETE FROM connection_paths.due_changes AS d
        WHERE d.contact_id = ANY (ARRAY(
            SELECT h.contact_id
            FROM connection_paths.due_changes AS h
            WHERE h.due_on <= CURRENT_DATE
            LIMIT sync_changes.max_changes
            FOR UPDATE SKIP LOCKED
        ))
        RETURNING d.contact_id, d.due_on
    )
    INSERT INTO connection_paths.contact_changes (contact_id, changed_at)
    SELECT d.contact_id, d.due_on FROM due AS d;
    GET DIAGNOSTICS taken = ROW_COUNT;
    IF taken > 0 THEN
        RETURN NEXT;
        RETURN;
    END IF;

    WITH claimed AS (
        DELETE FROM connection_paths.contact_changes AS q
        WHERE q.ctid = ANY (ARRAY(
            SELECT c.ctid
            FROM connection_paths.contact_changes AS c
            WHERE c.failures < 3 OR sync_changes.retry_failed
            LIMIT CASE
                WHEN sync_changes.one_by_one THEN LEAST(sync_changes.max_changes, 50)
                ELSE sync_changes.max_changes
            END
            FOR UPDATE SKIP LOCKED
        ))
        RETURNING q.contact_id, q.organization_id, q.written_by::text::bigint AS written_by, q.changed_at, q.failures
    ),
    changed AS (
        SELECT
            c.contact_id,
            c.organization_id,
            count(*) AS notes,
            max(c.written_by) AS written_by,
            min(c.changed_at) AS changed_at,
            max(c.failures) AS failures
        FROM claimed AS c
        GROUP BY c.contact_id, c.organization_id
    )
    SELECT
        COALESCE(sum(c.notes), 0) AS taken,
        max(c.written_by)::text::pg_catalog.xid8 AS written_by,
        min(c.changed_at) FILTER (WHERE c.contact_id IS NULL AND c.organization_id IS NULL) AS everybody_changed_at,
        array_agg(c.organization_id) FILTER (WHERE c.organization_id IS NOT NULL) AS organization_ids,
        array_agg(c.changed_at) FILTER (WHERE c.organization_id IS NOT NULL) AS organizations_changed_at,
        array_agg(c.contact_id ORDER BY c.contact_id) FILTER (WHERE c.contact_id IS NOT NULL) AS contact_ids,
        array_agg(c.changed_at ORDER BY c.contact_id) FILTER (WHERE c.contact_id IS NOT NULL) AS contacts_changed_at,
        array_agg(c.failures ORDER BY c.contact_id) FILTER (WHERE c.contact_id IS NOT NULL) AS contacts_failures
    INTO batch
    FROM changed AS c;
    taken := batch.taken;

    IF batch.contact_ids IS NOT NULL THEN
        PERFORM connection_paths.await_recomputes(batch.written_by);
    END IF;

    -- what comes of a note keeps the time of the change: the oldest in the queue tells how far behind the edges are
    IF batch.everybody_changed_at IS NOT NULL THEN
        INSERT INTO connection_paths.contact_changes (contact_id, written_by, changed_at)
        SELECT c.contact_id, batch.written_by, batch.everybody_changed_at
        FROM connection_paths.contacts_to_recompute() AS c;
        -- edges that only the rebuild's table has lead nobody to their contacts: everybody again after the swap
        INSERT INTO connection_paths.rebuild_replays (contact_id)
        SELECT NULL
        FROM connection_paths.backfill_runs AS r
        WHERE r.status IN ('running', 'paused') AND r.strategy = 'rebuild';
    ELSIF batch.organization_ids IS NOT NULL THEN
        INSERT INTO connection_paths.contact_changes (contact_id, written_by, changed_at)
        SELECT e.contact_id, batch.written_by, min(o.changed_at)
        FROM unnest(batch.organization_ids, batch.organizations_changed_at) AS o (id, changed_at)
        JOIN connection_paths.work_experiences AS e ON e.organization_id = o.id
        WHERE e.contact_id IS NOT NULL
        GROUP BY e.contact_id;
    END IF;

    IF batch.contact_ids IS NOT NULL THEN
        PERFORM connection_paths.forget_contacts(batch.contact_ids);
        IF NOT sync_changes.one_by_one THEN
            edges_changed := connection_paths.backfill_contacts(batch.contact_ids);
            contacts := cardinality(batch.contact_ids);
            RETURN NEXT;
            RETURN;
        END IF;
        -- check deferred constraints now: at COMMIT the error would not name the contact
        SET CONSTRAINTS ALL IMMEDIATE;
        FOR contact IN
            SELECT c.id, c.changed_at, c.failures
            FROM unnest(batch.contact_ids, batch.contacts_changed_at, batch.contacts_failures)
                AS c (id, changed_at, failures)
        LOOP
            BEGIN
                edges_changed := edges_changed + connection_paths.backfill_contact(contact.id);
                contacts := contacts + 1;
            EXCEPTION
                WHEN OTHERS OR assert_failure OR query_canceled THEN
                    -- deadlock, lock not available, serialization failure, cancellation
                    IF SQLSTATE IN ('40P01', '55P03', '40001', '57014') AND sync_changes.max_changes > 1 THEN
                        RAISE;
                    END IF;
                    PERFORM connection_paths.backfill_contacts('{}'); -- fails if recomputing fails for every contact; then this contact is not at fault
                    failed := failed + 1;
                    INSERT INTO connection_paths.contact_changes
                        (contact_id, written_by, changed_at, failures, error)
                    VALUES (contact.id, batch.written_by, contact.changed_at, contact.failures + 1, SQLERRM);
            END;
        END LOOP;
    END IF;
    RETURN NEXT;
END
$function$;

COMMENT ON FUNCTION connection_paths.sync_changes(integer, boolean, boolean) IS 'Takes changes off the queue and makes the edges of those contacts what they should be';

REVOKE ALL ON FUNCTION connection_paths.sync_changes(integer, boolean, boolean) FROM PUBLIC;
