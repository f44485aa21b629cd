-- connection_paths.write_edges(contact_ids, smaller_ends_only)
--
-- Makes the work_overlap edges of some contacts equal to what work_overlaps returns.
--
-- Parameters
--     contact_ids        The contacts. NULL elements and repeated elements are ignored. A contact that no longer exists
--                        loses its edges.
--     smaller_ends_only  true: only the edges whose smaller contact id is in contact_ids. false: every edge that
--                        touches one of the contacts. NULL means false.
-- Returns
--     The number of rows of contact_connections that were inserted, updated or deleted.
-- Errors
--     25001  The transaction is not READ COMMITTED.
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     contact_connections, backfill_runs
-- Writes
--     contact_connections, rebuild_replays
-- Used by
--     backfill_contact, refresh_range, sync_changes, refresh_one_by_one
-- Why
--     This function is the only one that writes work_overlap edges to the live table. It never writes edges of another
--     kind. It compares the wanted edges with the present ones and writes only the differences, so a contact whose
--     edges are right costs no WAL, and its rows keep their computed_at.
--
--     Deadlocks: one statement deletes and one inserts for all contacts, each in the order of the primary key. So two
--     sessions that find the same differences do not deadlock. With a statement for each contact instead, two workers
--     of a sync had one deadlock a second. A deadlock is still possible when the application changed the same
--     contacts between the snapshots of two sessions: one session deletes an edge that the other one inserts.
--     PostgreSQL then ends one of the two transactions; call the function again.
--
--     Rebuild: a batch of a rebuild may have computed a contact before the change that this call handles. So the
--     contacts are also queued for the time after the exchange of the tables.
--
--     Plan: a session may keep a plan that was made when the edge table was empty. These parts keep every plan fast:
--         enable_seqscan = off  No plan scans all edges.
--         OFFSET 0              The edges of a contact are found through an index, however many contacts there are.
--         NOT IN (SELECT)       A hash of the contacts, never a loop over them for every edge.
--         FULL JOIN             Never a nested loop over the edges.
--         LATERAL, FOR UPDATE   Rows to delete are found by primary key and locked in key order.
CREATE OR REPLACE FUNCTION connection_paths.write_edges(contact_ids bigint[], smaller_ends_only boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    changed bigint;
    deleted bigint;
    stale_places pg_catalog.tid[];
BEGIN
    PERFORM connection_paths.count_organizations(write_edges.contact_ids, only_new => true);
    PERFORM connection_paths.begin_refresh();

    WITH chosen AS MATERIALIZED (
        SELECT DISTINCT c.id FROM unnest(write_edges.contact_ids) AS c (id) WHERE c.id IS NOT NULL
    ),
    wanted AS (
        SELECT
            LEAST(c.id, w.neighbour_id) AS contact_a_id, GREATEST(c.id, w.neighbour_id) AS contact_b_id,
            w.strength, w.shared_organizations, w.organization_id, w.date_from, w.date_to, w.earlier_days, w.people
        FROM chosen AS c
        CROSS JOIN LATERAL
            connection_paths.work_overlaps(c.id, CASE WHEN write_edges.smaller_ends_only THEN c.id END) AS w
        -- an edge between two chosen contacts is computed from its smaller end
        WHERE c.id < w.neighbour_id OR w.neighbour_id NOT IN (SELECT o.id FROM chosen AS o)
    ),
    present AS (
        SELECT c.id AS contact_a_id, e.contact_b_id, e.strength, e.shared_organizations, e.organization_id, e.date_from,
            e.date_to, e.earlier_days, e.people
        FROM chosen AS c
        CROSS JOIN LATERAL (
            SELECT p.contact_b_id, p.strength, p.shared_organizations, p.organization_id, p.date_from, p.date_to,
                p.earlier_days, p.people
            FROM connection_paths.contact_connections AS p
            WHERE p.contact_a_id = c.id AND p.kind = 'work_overlap'
            ORDER BY p.contact_b_id
            OFFSET 0
        ) AS e
        UNION ALL
        SELECT e.contact_a_id, c.id, e.strength, e.shared_organizations, e.organization_id, e.date_from, e.date_to,
            e.earlier_days, e.people
        FROM chosen AS c
        CROSS JOIN LATERAL (
            SELECT p.contact_a_id, p.strength, p.shared_organizations, p.organization_id, p.date_from, p.date_to,
                p.earlier_days, p.people
            FROM connection_paths.contact_connections AS p
            WHERE p.contact_b_id = c.id AND p.kind = 'work_overlap'
            OFFSET 0
        ) AS e
        WHERE write_edges.smaller_ends_only IS NOT TRUE AND e.contact_a_id NOT IN (SELECT o.id FROM chosen AS o)
    ),
    difference AS MATERIALIZED (
        SELECT
            COALESCE(w.contact_a_id, p.contact_a_id) AS contact_a_id,
            COALESCE(w.contact_b_id, p.contact_b_id) AS contact_b_id,
            w.contact_a_id IS NULL AS is_stale,
            w.strength, w.shared_organizations, w.organization_id, w.date_from, w.date_to, w.earlier_days, w.people
        FROM wanted AS w
        FULL JOIN present AS p ON p.contact_a_id = w.contact_a_id AND p.contact_b_id = w.contact_b_id
        WHERE (
            w.strength, w.shared_organizations, w.organization_id, w.date_from, w.date_to, w.earlier_days, w.people
        ) IS DISTINCT FROM (
            p.strength, p.shared_organizations, p.organization_id, p.date_from, p.date_to, p.earlier_days, p.people
        )
    ),
    stale AS MATERIALIZED (
        SELECT c.place
        FROM (SELECT e.contact_a_id, e.contact_b_id FROM difference AS e WHERE e.is_stale ORDER BY 1, 2) AS d
        CROSS JOIN LATERAL (
            SELECT p.ctid AS place
            FROM connection_paths.contact_connections AS p
            WHERE p.contact_a_id = d.contact_a_id AND p.contact_b_id = d.contact_b_id AND p.kind = 'work_overlap'
            FOR UPDATE
        ) AS c
    ),
    written AS (
        INSERT INTO connection_paths.contact_connections AS c
            (contact_a_id, contact_b_id, kind, strength, shared_organizations, organization_id, date_from, date_to,
                earlier_days, people)
        SELECT d.contact_a_id, d.contact_b_id, 'work_overlap', d.strength, d.shared_organizations, d.organization_id,
            d.date_from, d.date_to, d.earlier_days, d.people
        FROM difference AS d
        WHERE NOT d.is_stale
        ORDER BY d.contact_a_id, d.contact_b_id
        ON CONFLICT (contact_a_id, contact_b_id, kind) DO UPDATE
            SET (
                strength, shared_organizations, organization_id, date_from, date_to, earlier_days, people, computed_at
            ) = ROW(
                excluded.strength, excluded.shared_organizations, excluded.organization_id, excluded.date_from,
                excluded.date_to, excluded.earlier_days, excluded.people, excluded.computed_at
            )
            -- another session may have written the same edge since the comparison
            WHERE (
                c.strength, c.shared_organizations, c.organization_id, c.date_from, c.date_to, c.earlier_days, c.people
            ) IS DISTINCT FROM (
                excluded.strength, excluded.shared_organizations, excluded.organization_id, excluded.date_from,
                excluded.date_to, excluded.earlier_days, excluded.people
            )
        RETURNING 1
    )
    SELECT ARRAY(SELECT s.place FROM stale AS s), (SELECT count(*) FROM written)
    INTO stale_places, changed;

    -- The rows are locked, so their places stay the same. All rows of one kind are in one partition.
    IF cardinality(stale_places) > 0 THEN
        DELETE FROM connection_paths.contact_connections AS c
        WHERE c.ctid = ANY (stale_places) AND c.kind = 'work_overlap';
        GET DIAGNOSTICS deleted = ROW_COUNT;
        changed := changed + deleted;
    END IF;

    PERFORM connection_paths.schedule_refreshes(write_edges.contact_ids);
    INSERT INTO connection_paths.rebuild_replays (contact_id)
    SELECT c.id
    FROM unnest(write_edges.contact_ids) AS c (id)
    WHERE c.id IS NOT NULL
        AND EXISTS (SELECT FROM connection_paths.backfill_runs AS r WHERE r.is_active AND r.strategy = 'rebuild');

    RETURN changed;
END
$function$;

COMMENT ON FUNCTION connection_paths.write_edges(bigint[], boolean) IS 'Makes the work_overlap edges of some contacts what work_overlaps returns; the only writer of live edges; returns how many rows changed';

REVOKE ALL ON FUNCTION connection_paths.write_edges(bigint[], boolean) FROM PUBLIC;
