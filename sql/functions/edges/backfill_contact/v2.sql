-- connection_paths.backfill_contact_v2(contact_id): makes one contact's work_overlap edges what they should be.
--
-- Anchored on the contact's own experiences: a nested loop over indexes reads only colleagues, where the first
-- generation joined everybody first. Compares with the edges that are there and writes only the differences, so an
-- unchanged contact costs no WAL and keeps its computed_at.
--
-- contact_id  the contact; one that no longer exists loses its edges. NULL: SQLSTATE 22004.
-- Returns     how many rows were inserted, updated or deleted.
-- Writes      connection_paths.contact_connections, rows of kind work_overlap that touch the contact, nothing else.
--
-- Calls for different contacts may run side by side: two contacts share one edge at most, and rows are written in key
-- order, so they may wait for each other but not in a circle.
--
-- How the plan is kept in hand: a session's cached plan may have been made when the edge table was still empty.
--   enable_seqscan = off   no such plan can turn into a scan of every edge;
--   FULL JOIN              cannot become a nested loop of one contact's edges with themselves;
--   key = ANY (ARRAY(...))   the DELETEs can only probe the primary key.
CREATE OR REPLACE FUNCTION connection_paths.backfill_contact_v2(contact_id bigint)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    changed bigint;
BEGIN
    IF contact_id IS NULL THEN
        RAISE EXCEPTION 'contact_id must not be null'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the id of a contact.';
    END IF;
    PERFORM connection_paths.begin_recompute();

    WITH wanted AS (
        SELECT
            LEAST(backfill_contact_v2.contact_id, w.neighbour_id) AS contact_a_id,
            GREATEST(backfill_contact_v2.contact_id, w.neighbour_id) AS contact_b_id,
            w.organization_id,
            w.date_from,
            w.date_to
        FROM connection_paths.work_overlaps(backfill_contact_v2.contact_id) AS w
    ),
    present AS (
        SELECT c.contact_a_id, c.contact_b_id, c.organization_id, c.date_from, c.date_to
        FROM connection_paths.contact_connections AS c
        WHERE c.contact_a_id = backfill_contact_v2.contact_id AND c.kind = 'work_overlap'
        UNION ALL
        SELECT c.contact_a_id, c.contact_b_id, c.organization_id, c.date_from, c.date_to
        FROM connection_paths.contact_connections AS c
        WHERE c.contact_b_id = backfill_contact_v2.contact_id AND c.kind = 'work_overlap'
    ),
    difference AS MATERIALIZED (
        SELECT
            COALESCE(w.contact_a_id, p.contact_a_id) AS contact_a_id,
            COALESCE(w.contact_b_id, p.contact_b_id) AS contact_b_id,
            w.contact_a_id IS NULL AS is_stale,
            w.organization_id,
            w.date_from,
            w.date_to
        FROM wanted AS w
        FULL JOIN present AS p
            ON p.contact_a_id = w.contact_a_id AND p.contact_b_id = w.contact_b_id
        WHERE (w.organization_id, w.date_from, w.date_to) IS DISTINCT FROM (p.organization_id, p.date_from, p.date_to)
    ),
    deleted_after AS (
        DELETE FROM connection_paths.contact_connections AS c
        WHERE c.contact_a_id = backfill_contact_v2.contact_id
            AND c.contact_b_id = ANY (ARRAY(SELECT d.contact_b_id FROM difference AS d WHERE d.is_stale))
            AND c.kind = 'work_overlap'
        RETURNING 1
    ),
    deleted_before AS (
        DELETE FROM connection_paths.contact_connections AS c
        WHERE c.contact_b_id = backfill_contact_v2.contact_id
            AND c.contact_a_id = ANY (ARRAY(SELECT d.contact_a_id FROM difference AS d WHERE d.is_stale))
            AND c.kind = 'work_overlap'
        RETURNING 1
    ),
    written AS (
        INSERT INTO connection_paths.contact_connections AS c
            (contact_a_id, contact_b_id, kind, organization_id, date_from, date_to)
        SELECT d.contact_a_id, d.contact_b_id, 'work_overlap', d.organization_id, d.date_from, d.date_to
        FROM difference AS d
        WHERE NOT d.is_stale
        ORDER BY d.contact_a_id, d.contact_b_id
        ON CONFLICT (contact_a_id, contact_b_id, kind) DO UPDATE
            SET organization_id = excluded.organization_id,
                date_from = excluded.date_from,
                date_to = excluded.date_to,
                computed_at = excluded.computed_at
            -- another session may have written the same edge meanwhile
            WHERE (c.organization_id, c.date_from, c.date_to)
                IS DISTINCT FROM (excluded.organization_id, excluded.date_from, excluded.date_to)
        RETURNING 1
    )
    SELECT
        (SELECT count(*) FROM deleted_after)
        + (SELECT count(*) FROM deleted_before)
        + (SELECT count(*) FROM written)
    INTO changed;

    PERFORM connection_paths.hold_starts(ARRAY[backfill_contact_v2.contact_id]);
    -- a rebuild may have computed this contact before what made us compute it again
    INSERT INTO connection_paths.rebuild_replays (contact_id)
    SELECT backfill_contact_v2.contact_id
    FROM connection_paths.backfill_runs AS r
    WHERE r.status IN ('running', 'paused') AND r.strategy = 'rebuild';

    RETURN changed;
END
$function$;

COMMENT ON FUNCTION connection_paths.backfill_contact_v2(bigint) IS 'Second generation of backfill_contact: anchored on the contact, writes only differences';

REVOKE ALL ON FUNCTION connection_paths.backfill_contact_v2(bigint) FROM PUBLIC;
