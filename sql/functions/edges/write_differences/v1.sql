-- connection_paths.write_differences(contact_ids, smaller_ends_only, is_first_try)
--
-- Compares the work_overlap edges of some contacts with those that wanted_edges returns, and writes the differences.
--
-- Parameters
--     contact_ids        The contacts. NULL elements and repeated elements are ignored. A contact that no longer exists
--                        loses its edges.
--     smaller_ends_only  true: only the edges whose smaller contact id is in contact_ids. false: every edge that
--                        touches one of the contacts. NULL means false.
--     is_first_try       true: fail when another session inserts one of the missing edges at the same time. false: then
--                        update that edge. Required.
-- Returns
--     The number of rows of contact_connections that were inserted, updated or deleted.
-- Errors
--     23505  is_first_try is true, and another session has inserted a missing edge since the comparison.
-- Reads
--     contact_connections
-- Writes
--     contact_connections
-- Used by
--     write_edges
-- Why
--     Missing edges are inserted without ON CONFLICT in the first try. With it, PostgreSQL looks each row up in the
--     primary key before it inserts the row, takes a lock, and writes one more WAL record. A backfill in place from
--     empty takes 1.1 times as long that way (docs/adr/0022-how-near-a-rebuild-is-to-its-floor.md).
--
--     Deadlocks: both tries delete edges, then update edges, then insert edges, for all contacts, each in the order of
--     the primary key. So sessions that find the same differences do not deadlock, in whichever try they are. With a
--     statement for each contact instead, two workers of a sync had one deadlock a second. A deadlock is still possible
--     when the application changed the same contacts between the snapshots of two sessions: one session deletes an edge
--     that the other one inserts. PostgreSQL then ends one of the two transactions; call the function again.
--
--     Plan: a session may keep a plan that was made when the edge table was empty. These parts keep every plan fast:
--         enable_seqscan = off  No plan scans all edges.
--         OFFSET 0              The edges of a contact are found through an index, however many contacts there are.
--         NOT IN (SELECT)       A hash of the contacts, never a loop over them for every edge.
--         FULL JOIN             Never a nested loop over the edges.
--         LATERAL, FOR UPDATE   Rows to delete are found one by one, through an index, and locked in the order of the
--                               primary key. The index is the primary key, or another one that begins with the contact
--                               when the plan was made for a nearly empty table.
CREATE OR REPLACE FUNCTION connection_paths.write_differences(
    contact_ids bigint[],
    smaller_ends_only boolean,
    is_first_try boolean
)
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
    WITH chosen AS MATERIALIZED (
        SELECT DISTINCT c.id FROM unnest(write_differences.contact_ids) AS c (id) WHERE c.id IS NOT NULL
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
        WHERE write_differences.smaller_ends_only IS NOT TRUE AND e.contact_a_id NOT IN (SELECT o.id FROM chosen AS o)
    ),
    difference AS MATERIALIZED (
        SELECT
            COALESCE(w.contact_a_id, p.contact_a_id) AS contact_a_id,
            COALESCE(w.contact_b_id, p.contact_b_id) AS contact_b_id,
            w.contact_a_id IS NULL AS is_stale,
            p.contact_a_id IS NULL AS is_missing,
            w.strength, w.shared_organizations, w.organization_id, w.date_from, w.date_to, w.earlier_days, w.people
        FROM connection_paths.wanted_edges(write_differences.contact_ids, write_differences.smaller_ends_only) AS w
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
    upserted AS (
        INSERT INTO connection_paths.contact_connections AS c
            (contact_a_id, contact_b_id, kind, strength, shared_organizations, organization_id, date_from, date_to,
                earlier_days, people)
        SELECT d.contact_a_id, d.contact_b_id, 'work_overlap', d.strength, d.shared_organizations, d.organization_id,
            d.date_from, d.date_to, d.earlier_days, d.people
        FROM difference AS d
        WHERE NOT d.is_stale AND NOT (d.is_missing AND write_differences.is_first_try)
        ORDER BY d.is_missing, d.contact_a_id, d.contact_b_id
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
    ),
    inserted AS (
        INSERT INTO connection_paths.contact_connections
            (contact_a_id, contact_b_id, kind, strength, shared_organizations, organization_id, date_from, date_to,
                earlier_days, people)
        SELECT d.contact_a_id, d.contact_b_id, 'work_overlap', d.strength, d.shared_organizations, d.organization_id,
            d.date_from, d.date_to, d.earlier_days, d.people
        FROM difference AS d
        WHERE d.is_missing AND write_differences.is_first_try
        ORDER BY d.contact_a_id, d.contact_b_id
        RETURNING 1
    )
    SELECT ARRAY(SELECT s.place FROM stale AS s), (SELECT count(*) FROM upserted) + (SELECT count(*) FROM inserted)
    INTO stale_places, changed;

    -- The rows are locked, so their places stay the same. All rows of one kind are in one partition.
    IF cardinality(stale_places) > 0 THEN
        DELETE FROM connection_paths.contact_connections AS c
        WHERE c.ctid = ANY (stale_places) AND c.kind = 'work_overlap';
        GET DIAGNOSTICS deleted = ROW_COUNT;
        changed := changed + deleted;
    END IF;
    RETURN changed;
END
$function$;

COMMENT ON FUNCTION connection_paths.write_differences(bigint[], boolean, boolean) IS 'Writes the differences between the present and the wanted edges of some contacts; part of write_edges';

REVOKE ALL ON FUNCTION connection_paths.write_differences(bigint[], boolean, boolean) FROM PUBLIC;
