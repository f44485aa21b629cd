-- connection_paths.rebuild_range(above_contact_id, upto_contact_id): a batch of a rebuild.
--
-- Inserts into contact_connections_next every edge whose smaller end is above one id and not above the other. Each
-- pair belongs to one batch, so batches never write the same row, and the table needs no index yet.
--
-- A row that the live edges have, the same in every column, keeps its computed_at: that tells when the row last
-- changed. Live edges that change afterwards are recomputed after the swap, like all that changes meanwhile. The
-- comparison costs two fifths of the time of a batch, so it is left out where there are no live edges.
--
-- above_contact_id, upto_contact_id  the range, (above, upto]; NULL is no bound
-- Returns                            how many rows were inserted.
--
-- Raises what require_sources raises.
CREATE OR REPLACE FUNCTION connection_paths.rebuild_range(above_contact_id bigint, upto_contact_id bigint)
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
    inserted bigint;
BEGIN
    PERFORM connection_paths.require_sources();
    IF NOT EXISTS (SELECT FROM connection_paths.contact_connections_live AS c WHERE c.kind = 'work_overlap') THEN
        INSERT INTO connection_paths.contact_connections_next
            (contact_a_id, contact_b_id, kind, organization_id, date_from, date_to)
        SELECT w.contact_a_id, w.contact_b_id, 'work_overlap', w.organization_id, w.date_from, w.date_to
        FROM connection_paths.rebuilt_edges(rebuild_range.above_contact_id, rebuild_range.upto_contact_id) AS w;
    ELSE
        INSERT INTO connection_paths.contact_connections_next
            (contact_a_id, contact_b_id, kind, organization_id, date_from, date_to, computed_at)
        SELECT e.contact_a_id, e.contact_b_id, 'work_overlap', e.organization_id, e.date_from, e.date_to, e.computed_at
        FROM (
            SELECT
                w.contact_a_id,
                w.contact_b_id,
                w.organization_id,
                w.date_from,
                w.date_to,
                CASE
                    WHEN (p.organization_id, p.date_from, p.date_to) IS NOT DISTINCT FROM
                        (w.organization_id, w.date_from, w.date_to)
                        THEN p.computed_at
                    ELSE now()
                END AS computed_at
            FROM connection_paths.rebuilt_edges(rebuild_range.above_contact_id, rebuild_range.upto_contact_id) AS w
            -- FULL cannot become a nested loop of a batch with itself, and the fence keeps it FULL
            FULL JOIN (
                SELECT c.contact_a_id, c.contact_b_id, c.organization_id, c.date_from, c.date_to, c.computed_at
                FROM connection_paths.contact_connections_live AS c
                WHERE c.kind = 'work_overlap'
                    AND (rebuild_range.above_contact_id IS NULL OR c.contact_a_id > rebuild_range.above_contact_id)
                    AND (rebuild_range.upto_contact_id IS NULL OR c.contact_a_id <= rebuild_range.upto_contact_id)
            ) AS p
                ON p.contact_a_id = w.contact_a_id AND p.contact_b_id = w.contact_b_id
            OFFSET 0
        ) AS e
        WHERE e.contact_a_id IS NOT NULL;
    END IF;

    GET DIAGNOSTICS inserted = ROW_COUNT;
    PERFORM connection_paths.schedule_refreshes(ARRAY(
        SELECT DISTINCT e.contact_id
        FROM connection_paths.work_experiences AS e
        WHERE e.date_from > CURRENT_DATE
            AND (rebuild_range.above_contact_id IS NULL OR e.contact_id > rebuild_range.above_contact_id)
            AND (rebuild_range.upto_contact_id IS NULL OR e.contact_id <= rebuild_range.upto_contact_id)
    ));
    RETURN inserted;
END
$function$;

COMMENT ON FUNCTION connection_paths.rebuild_range(bigint, bigint) IS 'A batch of a rebuild: the edges whose smaller end is in a range of contact ids, into contact_connections_next';

REVOKE ALL ON FUNCTION connection_paths.rebuild_range(bigint, bigint) FROM PUBLIC;
