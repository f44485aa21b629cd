-- connection_paths.resize_organizations(organization_ids, numbers, changed_at)
--
-- Changes the size classes of organizations that have clearly more or fewer people, and queues these organizations.
--
-- Parameters
--     organization_ids  The organizations, each once. Organizations without a row in organization_sizes are ignored.
--                       NULL: none.
--     numbers           The number of people of each organization, in the same order.
--     changed_at        The time of the new queue rows. Required.
-- Returns
--     The number of organizations whose class changed.
-- Errors
--     23502  changed_at is NULL, and the class of an organization changes.
-- Reads
--     organization_sizes
-- Writes
--     organization_sizes, contact_changes
-- Used by
--     count_organizations, recount_organizations, sync_changes
-- Why
--     Edges are computed from the class, so an organization whose class changes is queued like any other change of an
--     organization.
--
--     LATERAL, FOR UPDATE: each organization is found by the primary key, and rows are locked in the order of the key.
--     A row that another session has changed in the meantime is compared again.
--
--     A row whose count has become too old gets the time of this count. A newer time stays: then contacts of small
--     organizations are refreshed without writing to organization_sizes.
CREATE OR REPLACE FUNCTION connection_paths.resize_organizations(
    organization_ids bigint[],
    numbers bigint[],
    changed_at timestamptz
)
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
    counted_before CONSTANT timestamptz := now() - connection_paths.count_is_good_for();
    resized bigint;
BEGIN
    WITH outside AS MATERIALIZED (
        SELECT l.id, connection_paths.size_class(c.people) AS people
        FROM (
            SELECT u.id, u.people
            FROM unnest(resize_organizations.organization_ids, resize_organizations.numbers) AS u (id, people)
            ORDER BY u.id
        ) AS c
        CROSS JOIN LATERAL (
            SELECT s.organization_id AS id
            FROM connection_paths.organization_sizes AS s
            WHERE s.organization_id = c.id
                AND NOT connection_paths.class_fits(s.people, c.people)
            FOR UPDATE
        ) AS l
    ),
    changes AS (
        UPDATE connection_paths.organization_sizes AS s
        SET people = o.people, counted_at = now()
        FROM outside AS o
        WHERE s.organization_id = o.id
        RETURNING s.organization_id
    )
    INSERT INTO connection_paths.contact_changes (organization_id, changed_at)
    SELECT c.organization_id, resize_organizations.changed_at FROM changes AS c;
    GET DIAGNOSTICS resized = ROW_COUNT;

    UPDATE connection_paths.organization_sizes AS s
    SET counted_at = now()
    WHERE s.organization_id = ANY (ARRAY(
        SELECT o.organization_id
        FROM connection_paths.organization_sizes AS o
        WHERE o.organization_id = ANY (resize_organizations.organization_ids) AND o.counted_at <= counted_before
        ORDER BY o.organization_id
        FOR UPDATE SKIP LOCKED
    ));
    RETURN resized;
END
$function$;

COMMENT ON FUNCTION connection_paths.resize_organizations(bigint[], bigint[], timestamptz) IS 'Changes the classes of organizations that have clearly more or fewer people, and queues them; returns how many';

REVOKE ALL ON FUNCTION connection_paths.resize_organizations(bigint[], bigint[], timestamptz) FROM PUBLIC;
