-- connection_paths.correct_edges_of(above_contact_id, upto_contact_id): a batch of an in-place backfill.
--
-- Makes the work_overlap edges whose smaller end is in a range of contact ids what they should be, writing only
-- differences, while readers and writers go on. Each pair belongs to one batch, so batches side by side never write
-- the same row; a concurrent sync_changes may, and one of the two then waits or, rarely, is a deadlock's victim.
--
-- above_contact_id, upto_contact_id  the range, (above, upto]; NULL is no bound
-- Returns                            how many rows were inserted, updated or deleted.
CREATE OR REPLACE FUNCTION connection_paths.correct_edges_of(above_contact_id bigint, upto_contact_id bigint)
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

    WITH wanted AS (
        SELECT c.id AS contact_a_id, w.neighbour_id AS contact_b_id, w.organization_id, w.date_from, w.date_to
        FROM connection_paths.live_contacts AS c
        CROSS JOIN LATERAL connection_paths.work_overlaps(c.id, neighbours_from => c.id) AS w
        WHERE (correct_edges_of.above_contact_id IS NULL OR c.id > correct_edges_of.above_contact_id)
            AND (correct_edges_of.upto_contact_id IS NULL OR c.id <= correct_edges_of.upto_contact_id)
    ),
    present AS (
        SELECT c.contact_a_id, c.contact_b_id, c.organization_id, c.date_from, c.date_to
        FROM connection_paths.contact_connections AS c
        WHERE c.kind = 'work_overlap'
            AND (correct_edges_of.above_contact_id IS NULL OR c.contact_a_id > correct_edges_of.above_contact_id)
            AND (correct_edges_of.upto_contact_id IS NULL OR c.contact_a_id <= correct_edges_of.upto_contact_id)
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
    deleted AS (
        DELETE FROM connection_paths.contact_connections AS c
        USING difference AS d
        WHERE d.is_stale
            AND c.contact_a_id = d.contact_a_id
            AND c.contact_b_id = d.contact_b_id
            AND c.kind = 'work_overlap'
            -- again, so that the worst plan still reads no more than the range
            AND (correct_edges_of.above_contact_id IS NULL OR c.contact_a_id > correct_edges_of.above_contact_id)
            AND (correct_edges_of.upto_contact_id IS NULL OR c.contact_a_id <= correct_edges_of.upto_contact_id)
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
    SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM written)
    INTO changed;

    PERFORM connection_paths.hold_starts(ARRAY(
        SELECT DISTINCT e.contact_id
        FROM connection_paths.work_experiences AS e
        WHERE e.date_from > CURRENT_DATE
            AND (correct_edges_of.above_contact_id IS NULL OR e.contact_id > correct_edges_of.above_contact_id)
            AND (correct_edges_of.upto_contact_id IS NULL OR e.contact_id <= correct_edges_of.upto_contact_id)
    ));
    RETURN changed;
END
$function$;

COMMENT ON FUNCTION connection_paths.correct_edges_of(bigint, bigint) IS 'A batch of an in-place backfill: makes the edges whose smaller end is in a range of contact ids what they should be';

REVOKE ALL ON FUNCTION connection_paths.correct_edges_of(bigint, bigint) FROM PUBLIC;
