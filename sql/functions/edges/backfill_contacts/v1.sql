-- connection_paths.backfill_contacts(contact_ids): makes the work_overlap edges of some contacts what they should be.
--
-- What backfill_contact does, for many at once and by one statement, so that all rows are written in the order of the
-- key: sessions that do so for contacts who share edges wait for each other, but not in a circle. One by one, two
-- workers of a sync had a deadlock a second.
--
-- contact_ids  the contacts; NULLs and repetitions do no harm
-- Returns      how many rows were inserted, updated or deleted.
CREATE OR REPLACE FUNCTION connection_paths.backfill_contacts(contact_ids bigint[])
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    changed bigint;
BEGIN
    PERFORM connection_paths.begin_recompute();

    WITH chosen AS MATERIALIZED (
        SELECT DISTINCT c.id FROM unnest(backfill_contacts.contact_ids) AS c (id)
    ),
    wanted AS (
        SELECT
            LEAST(c.id, w.neighbour_id) AS contact_a_id,
            GREATEST(c.id, w.neighbour_id) AS contact_b_id,
            w.organization_id,
            w.date_from,
            w.date_to
        FROM chosen AS c
        CROSS JOIN LATERAL connection_paths.work_overlaps(c.id) AS w
        -- an edge between two of them comes from the smaller end
        WHERE c.id < w.neighbour_id OR NOT EXISTS (SELECT FROM chosen AS o WHERE o.id = w.neighbour_id)
    ),
    present AS (
        SELECT c.id AS contact_a_id, e.contact_b_id, e.organization_id, e.date_from, e.date_to
        FROM chosen AS c
        CROSS JOIN LATERAL (
            SELECT p.contact_b_id, p.organization_id, p.date_from, p.date_to
            FROM connection_paths.contact_connections AS p
            WHERE p.contact_a_id = c.id AND p.kind = 'work_overlap'
            OFFSET 0 -- a fence: a contact's edges are found by index, however many contacts there are
        ) AS e
        UNION ALL
        SELECT e.contact_a_id, c.id, e.organization_id, e.date_from, e.date_to
        FROM chosen AS c
        CROSS JOIN LATERAL (
            SELECT p.contact_a_id, p.organization_id, p.date_from, p.date_to
            FROM connection_paths.contact_connections AS p
            WHERE p.contact_b_id = c.id AND p.kind = 'work_overlap'
            OFFSET 0
        ) AS e
        WHERE NOT EXISTS (SELECT FROM chosen AS o WHERE o.id = e.contact_a_id)
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
    -- in the order of the key, as all who write many
    doomed AS MATERIALIZED (
        SELECT c.contact_a_id, c.contact_b_id
        FROM (
            SELECT d.contact_a_id, d.contact_b_id
            FROM difference AS d
            WHERE d.is_stale
            ORDER BY d.contact_a_id, d.contact_b_id
        ) AS d
        CROSS JOIN LATERAL (
            SELECT p.contact_a_id, p.contact_b_id
            FROM connection_paths.contact_connections AS p
            WHERE p.contact_a_id = d.contact_a_id AND p.contact_b_id = d.contact_b_id AND p.kind = 'work_overlap'
            FOR UPDATE
        ) AS c
    ),
    deleted AS (
        DELETE FROM connection_paths.contact_connections AS c
        USING doomed AS d
        WHERE c.contact_a_id = d.contact_a_id AND c.contact_b_id = d.contact_b_id AND c.kind = 'work_overlap'
            -- the worst plan still probes the primary key
            AND c.contact_a_id = ANY (ARRAY(SELECT DISTINCT o.contact_a_id FROM doomed AS o))
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
            WHERE (c.organization_id, c.date_from, c.date_to)
                IS DISTINCT FROM (excluded.organization_id, excluded.date_from, excluded.date_to)
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM written)
    INTO changed;

    PERFORM connection_paths.hold_starts(backfill_contacts.contact_ids);
    INSERT INTO connection_paths.rebuild_replays (contact_id)
    SELECT c.id
    FROM unnest(backfill_contacts.contact_ids) AS c (id)
    WHERE EXISTS (
        SELECT
        FROM connection_paths.backfill_runs AS r
        WHERE r.status IN ('running', 'paused') AND r.strategy = 'rebuild'
    );

    RETURN changed;
END
$function$;

COMMENT ON FUNCTION connection_paths.backfill_contacts(bigint[]) IS 'Makes the work_overlap edges of some contacts exactly what they should be; returns how many rows changed';

REVOKE ALL ON FUNCTION connection_paths.backfill_contacts(bigint[]) FROM PUBLIC;
