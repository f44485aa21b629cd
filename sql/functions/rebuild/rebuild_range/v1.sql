-- connection_paths.rebuild_range(above_contact_id, upto_contact_id)
--
-- Inserts the edges whose smaller contact id is in a range into contact_connections_next: one batch of a rebuild.
--
-- Parameters
--     above_contact_id  The range begins above this id. NULL: no lower bound.
--     upto_contact_id   The range ends with this id. NULL: no upper bound.
-- Returns
--     The number of rows that were inserted.
-- Errors
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     contact_connections_live, employments, known_organizations, organization_sizes
-- Writes
--     contact_connections_next
-- Used by
--     do_batch, sql/queries/runs/try_empty_batch.sql
-- Why
--     Every pair of contacts belongs to one batch of a run. So two batches never insert the same row, and the table
--     needs no index yet.
--
--     A row that equals its live edge keeps the computed_at of the live edge, because computed_at is the time of the
--     last change. The comparison costs 40 % of the time of a batch, so it is left out while there are no live edges.
--     Live edges that change later are queued for the time after the exchange.
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
    -- a variable: in a statement, the function would be called for each work experience
    begun_before CONSTANT date := CURRENT_DATE - connection_paths.longest_wait();
    inserted bigint;
BEGIN
    PERFORM connection_paths.require_sources();
    PERFORM connection_paths.count_organizations(
        ARRAY(
            SELECT e.contact_id
            FROM connection_paths.employments AS e
            WHERE NOT EXISTS (
                    SELECT FROM connection_paths.organization_sizes AS s WHERE s.organization_id = e.organization_id
                )
                AND EXISTS (SELECT FROM connection_paths.known_organizations AS o WHERE o.id = e.organization_id)
                AND (rebuild_range.above_contact_id IS NULL OR e.contact_id > rebuild_range.above_contact_id)
                AND (rebuild_range.upto_contact_id IS NULL OR e.contact_id <= rebuild_range.upto_contact_id)
        ),
        only_new => true
    );
    IF NOT EXISTS ( -- LIMIT: otherwise Citus copies every edge to the coordinator
        SELECT 1 FROM connection_paths.contact_connections_live AS c WHERE c.kind = 'work_overlap' LIMIT 1
    ) THEN
        INSERT INTO connection_paths.contact_connections_next
            (contact_a_id, contact_b_id, kind, strength, shared_organizations, organization_id, date_from, date_to,
                earlier_days, people)
        SELECT
            w.contact_a_id,
            w.contact_b_id,
            'work_overlap',
            w.strength,
            w.shared_organizations,
            w.organization_id,
            w.date_from,
            w.date_to,
            w.earlier_days,
            w.people
        FROM connection_paths.rebuilt_edges(rebuild_range.above_contact_id, rebuild_range.upto_contact_id) AS w;
    ELSE
        INSERT INTO connection_paths.contact_connections_next
            (contact_a_id, contact_b_id, kind, strength, shared_organizations, organization_id, date_from, date_to,
                earlier_days, people, computed_at)
        SELECT
            e.contact_a_id,
            e.contact_b_id,
            'work_overlap',
            e.strength,
            e.shared_organizations,
            e.organization_id,
            e.date_from,
            e.date_to,
            e.earlier_days,
            e.people,
            e.computed_at
        FROM (
            SELECT
                w.contact_a_id,
                w.contact_b_id,
                w.strength,
                w.shared_organizations,
                w.organization_id,
                w.date_from,
                w.date_to,
                w.earlier_days,
                w.people,
                CASE
                    WHEN (
                        p.strength, p.shared_organizations, p.organization_id, p.date_from, p.date_to, p.earlier_days,
                        p.people
                    ) IS NOT DISTINCT FROM (
                        w.strength, w.shared_organizations, w.organization_id, w.date_from, w.date_to, w.earlier_days,
                        w.people
                    )
                        THEN p.computed_at
                    ELSE now()
                END AS computed_at
            FROM connection_paths.rebuilt_edges(rebuild_range.above_contact_id, rebuild_range.upto_contact_id) AS w
            -- A FULL JOIN cannot become a nested loop over the batch. OFFSET 0 keeps the planner from changing it
            -- to a LEFT JOIN.
            FULL JOIN connection_paths.live_overlaps(rebuild_range.above_contact_id, rebuild_range.upto_contact_id) AS p
                ON p.contact_a_id = w.contact_a_id AND p.contact_b_id = w.contact_b_id
            OFFSET 0
        ) AS e
        WHERE e.contact_a_id IS NOT NULL;
    END IF;

    GET DIAGNOSTICS inserted = ROW_COUNT;
    PERFORM connection_paths.schedule_refreshes(ARRAY(
        SELECT DISTINCT e.contact_id
        FROM connection_paths.employments AS e
        WHERE e.date_from > begun_before
            AND (rebuild_range.above_contact_id IS NULL OR e.contact_id > rebuild_range.above_contact_id)
            AND (rebuild_range.upto_contact_id IS NULL OR e.contact_id <= rebuild_range.upto_contact_id)
    ));
    RETURN inserted;
END
$function$;

COMMENT ON FUNCTION connection_paths.rebuild_range(bigint, bigint) IS 'A batch of a rebuild: the edges whose smaller end is in a range of contact ids, into contact_connections_next';

REVOKE ALL ON FUNCTION connection_paths.rebuild_range(bigint, bigint) FROM PUBLIC;
