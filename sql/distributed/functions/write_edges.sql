-- connection_paths.write_edges(contact_ids, smaller_ends_only)
--
-- Makes the work_overlap edges of some contacts equal to what wanted_edges returns.
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
--     backfill_runs
-- Writes
--     contact_connections, rebuild_replays
-- Used by
--     backfill_contact, refresh_range, sync_changes, refresh_one_by_one
-- Why
--     This function is the only one that writes work_overlap edges to the live table. It never writes edges of another
--     kind. It compares the wanted edges with the present ones and writes only the differences, so the rows of a
--     contact whose edges are right keep their computed_at.
--
--     The steps are those of write_edges on one server. Citus cannot plan them as one statement: the present edges come
--     from all shards, and the wanted ones from tables of the coordinator. So the differences are arrays between the
--     statements. Citus commits the rows of all shards and of the coordinator together.
--
--     Two sessions that write the same edges may deadlock. Citus ends one of them; call the function again.
--
--     Rebuild: a batch of a rebuild may have computed a contact before the change that this call handles. So the
--     contacts are also queued for the time after the exchange of the tables.
CREATE OR REPLACE FUNCTION connection_paths.write_edges(contact_ids bigint[], smaller_ends_only boolean DEFAULT false)
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
    chosen CONSTANT bigint[] := ARRAY(
        SELECT DISTINCT c.id FROM unnest(write_edges.contact_ids) AS c (id) WHERE c.id IS NOT NULL
    );
    difference record;
    deleted bigint := 0;
    changed bigint := 0;
BEGIN
    PERFORM connection_paths.count_organizations(write_edges.contact_ids, only_new => true);
    PERFORM connection_paths.begin_refresh();

    SELECT
        array_agg(d.contact_a_id) FILTER (WHERE d.is_stale) AS stale_a_ids,
        array_agg(d.contact_b_id) FILTER (WHERE d.is_stale) AS stale_b_ids,
        array_agg(d.contact_a_id) FILTER (WHERE NOT d.is_stale) AS contact_a_ids,
        array_agg(d.contact_b_id) FILTER (WHERE NOT d.is_stale) AS contact_b_ids,
        array_agg(d.strength) FILTER (WHERE NOT d.is_stale) AS strengths,
        array_agg(d.shared_organizations) FILTER (WHERE NOT d.is_stale) AS shared_organizations,
        array_agg(d.organization_id) FILTER (WHERE NOT d.is_stale) AS organization_ids,
        array_agg(d.date_from) FILTER (WHERE NOT d.is_stale) AS date_froms,
        array_agg(d.date_to) FILTER (WHERE NOT d.is_stale) AS date_tos,
        array_agg(d.earlier_days) FILTER (WHERE NOT d.is_stale) AS earlier_days,
        array_agg(d.people) FILTER (WHERE NOT d.is_stale) AS people
    INTO difference
    FROM (
        SELECT
            COALESCE(w.contact_a_id, p.contact_a_id) AS contact_a_id,
            COALESCE(w.contact_b_id, p.contact_b_id) AS contact_b_id,
            w.contact_a_id IS NULL AS is_stale,
            w.strength, w.shared_organizations, w.organization_id, w.date_from, w.date_to, w.earlier_days, w.people
        FROM connection_paths.wanted_edges(chosen, smaller_ends_only) AS w
        FULL JOIN connection_paths.stored_overlaps(chosen, COALESCE(smaller_ends_only, false)) AS p
            ON p.contact_a_id = w.contact_a_id AND p.contact_b_id = w.contact_b_id
        WHERE (
            w.strength, w.shared_organizations, w.organization_id, w.date_from, w.date_to, w.earlier_days, w.people
        ) IS DISTINCT FROM (
            p.strength, p.shared_organizations, p.organization_id, p.date_from, p.date_to, p.earlier_days, p.people
        )
    ) AS d;

    IF difference.stale_a_ids IS NOT NULL THEN
        DELETE FROM connection_paths.contact_connections AS c
        USING unnest(difference.stale_a_ids, difference.stale_b_ids) AS s (contact_a_id, contact_b_id)
        WHERE c.contact_a_id = s.contact_a_id AND c.contact_b_id = s.contact_b_id AND c.kind = 'work_overlap';
        GET DIAGNOSTICS deleted = ROW_COUNT;
    END IF;
    IF difference.contact_a_ids IS NOT NULL THEN
        INSERT INTO connection_paths.contact_connections AS c
            (contact_a_id, contact_b_id, kind, strength, shared_organizations, organization_id, date_from, date_to,
                earlier_days, people)
        SELECT d.contact_a_id, d.contact_b_id, 'work_overlap', d.strength, d.shared_organizations, d.organization_id,
            d.date_from, d.date_to, d.earlier_days, d.people
        FROM unnest(
            difference.contact_a_ids, difference.contact_b_ids, difference.strengths, difference.shared_organizations,
            difference.organization_ids, difference.date_froms, difference.date_tos, difference.earlier_days,
            difference.people
        ) AS d (
            contact_a_id, contact_b_id, strength, shared_organizations, organization_id, date_from, date_to,
            earlier_days, people
        )
        ON CONFLICT (contact_a_id, contact_b_id, kind) DO UPDATE
            SET strength = excluded.strength, shared_organizations = excluded.shared_organizations,
                organization_id = excluded.organization_id, date_from = excluded.date_from, date_to = excluded.date_to,
                earlier_days = excluded.earlier_days, people = excluded.people, computed_at = excluded.computed_at
            -- another session may have written the same edge since the comparison
            WHERE (
                c.strength, c.shared_organizations, c.organization_id, c.date_from, c.date_to, c.earlier_days, c.people
            ) IS DISTINCT FROM (
                excluded.strength, excluded.shared_organizations, excluded.organization_id, excluded.date_from,
                excluded.date_to, excluded.earlier_days, excluded.people
            );
        GET DIAGNOSTICS changed = ROW_COUNT;
    END IF;

    PERFORM connection_paths.schedule_refreshes(write_edges.contact_ids);
    INSERT INTO connection_paths.rebuild_replays (contact_id)
    SELECT c.id
    FROM unnest(write_edges.contact_ids) AS c (id)
    WHERE c.id IS NOT NULL
        AND EXISTS (SELECT FROM connection_paths.backfill_runs AS r WHERE r.is_active AND r.strategy = 'rebuild');

    RETURN deleted + changed;
END
$function$;

COMMENT ON FUNCTION connection_paths.write_edges(bigint[], boolean) IS 'Makes the work_overlap edges of some contacts what wanted_edges returns; the only writer of live edges; returns how many rows changed';

REVOKE ALL ON FUNCTION connection_paths.write_edges(bigint[], boolean) FROM PUBLIC;
