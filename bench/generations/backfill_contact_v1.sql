-- generations.backfill_contact_v1(contact_id)
--
-- The first generation of backfill_contact: it computes every edge of every colleague and then filters by the contact. On
-- the heaviest contact in the field that made a billion intermediate rows and took 619 seconds. It writes like the
-- installed backfill_contact, columns that are younger than its query included.
CREATE OR REPLACE FUNCTION generations.backfill_contact_v1(contact_id bigint)
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
    PERFORM connection_paths.count_organizations(ARRAY[backfill_contact_v1.contact_id], only_new => true);
    PERFORM connection_paths.begin_refresh();

    WITH everything AS MATERIALIZED (
        SELECT c.id AS contact_id, o.*
        FROM connection_paths.live_contacts AS c
        CROSS JOIN LATERAL connection_paths.work_overlaps(c.id) AS o
        WHERE c.id IN (
            SELECT theirs.contact_id
            FROM connection_paths.work_experiences AS theirs
            JOIN connection_paths.work_experiences AS mine ON mine.organization_id = theirs.organization_id
            WHERE mine.contact_id = backfill_contact_v1.contact_id
        )
    ),
    wanted AS (
        SELECT
            LEAST(w.contact_id, w.neighbour_id) AS contact_a_id,
            GREATEST(w.contact_id, w.neighbour_id) AS contact_b_id,
            w.strength, w.shared_organizations, w.organization_id, w.date_from, w.date_to, w.earlier_days, w.people
        FROM everything AS w
        WHERE w.neighbour_id = backfill_contact_v1.contact_id
    ),
    present AS (
        SELECT c.contact_a_id, c.contact_b_id, c.strength, c.shared_organizations, c.organization_id, c.date_from,
            c.date_to, c.earlier_days, c.people
        FROM connection_paths.contact_connections AS c
        WHERE c.contact_a_id = backfill_contact_v1.contact_id AND c.kind = 'work_overlap'
        UNION ALL
        SELECT c.contact_a_id, c.contact_b_id, c.strength, c.shared_organizations, c.organization_id, c.date_from,
            c.date_to, c.earlier_days, c.people
        FROM connection_paths.contact_connections AS c
        WHERE c.contact_b_id = backfill_contact_v1.contact_id AND c.kind = 'work_overlap'
    ),
    difference AS MATERIALIZED (
        SELECT
            COALESCE(w.contact_a_id, p.contact_a_id) AS contact_a_id,
            COALESCE(w.contact_b_id, p.contact_b_id) AS contact_b_id,
            w.contact_a_id IS NULL AS is_stale,
            w.strength, w.shared_organizations, w.organization_id, w.date_from, w.date_to, w.earlier_days, w.people
        FROM wanted AS w
        FULL JOIN present AS p
            ON p.contact_a_id = w.contact_a_id AND p.contact_b_id = w.contact_b_id
        WHERE (
            w.strength, w.shared_organizations, w.organization_id, w.date_from, w.date_to, w.earlier_days, w.people
        ) IS DISTINCT FROM (
            p.strength, p.shared_organizations, p.organization_id, p.date_from, p.date_to, p.earlier_days, p.people
        )
    ),
    deleted_after AS (
        DELETE FROM connection_paths.contact_connections AS c
        WHERE c.contact_a_id = backfill_contact_v1.contact_id
            AND c.contact_b_id = ANY (ARRAY(SELECT d.contact_b_id FROM difference AS d WHERE d.is_stale))
            AND c.kind = 'work_overlap'
        RETURNING 1
    ),
    deleted_before AS (
        DELETE FROM connection_paths.contact_connections AS c
        WHERE c.contact_b_id = backfill_contact_v1.contact_id
            AND c.contact_a_id = ANY (ARRAY(SELECT d.contact_a_id FROM difference AS d WHERE d.is_stale))
            AND c.kind = 'work_overlap'
        RETURNING 1
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
            SET strength = excluded.strength,
                shared_organizations = excluded.shared_organizations,
                organization_id = excluded.organization_id,
                date_from = excluded.date_from,
                date_to = excluded.date_to,
                earlier_days = excluded.earlier_days,
                people = excluded.people,
                computed_at = excluded.computed_at
            -- another session may have written the same edge meanwhile
            WHERE (
                c.strength, c.shared_organizations, c.organization_id, c.date_from, c.date_to, c.earlier_days, c.people
            ) IS DISTINCT FROM (
                excluded.strength, excluded.shared_organizations, excluded.organization_id, excluded.date_from,
                excluded.date_to, excluded.earlier_days, excluded.people
            )
        RETURNING 1
    )
    SELECT
        (SELECT count(*) FROM deleted_after)
        + (SELECT count(*) FROM deleted_before)
        + (SELECT count(*) FROM written)
    INTO changed;

    PERFORM connection_paths.schedule_refreshes(ARRAY[backfill_contact_v1.contact_id]);
    -- a rebuild may have computed this contact before what made us compute it again
    INSERT INTO connection_paths.rebuild_replays (contact_id)
    SELECT backfill_contact_v1.contact_id
    FROM connection_paths.backfill_runs AS r
    WHERE r.status IN ('running', 'paused') AND r.strategy = 'rebuild';

    RETURN changed;
END
$function$;

COMMENT ON FUNCTION generations.backfill_contact_v1(bigint) IS 'First generation of backfill_contact: joins everything, filters last; kept to measure against';

REVOKE ALL ON FUNCTION generations.backfill_contact_v1(bigint) FROM PUBLIC;
