-- connection_paths.count_organizations(contact_ids, only_new, changed_at)
--
-- Counts the people of organizations, and keeps organization_sizes up to date.
--
-- Parameters
--     contact_ids  The organizations of these contacts that exist. NULL: every organization that exists.
--     only_new     true: only organizations without a row are counted. NULL means false.
--     changed_at   The time of the queue rows of organizations whose class changes. The default is now.
-- Returns
--     The number of organizations whose size class was added or changed.
-- Errors
--     23502  changed_at is NULL, and the class of an organization changes.
-- Reads
--     employments, known_organizations, organization_sizes
-- Writes
--     organization_sizes
-- Used by
--     rebuild_range, sync_changes, write_edges, orchestrator/runs/backfill.py
-- Why
--     An organization without a row has no edges yet, because write_edges and rebuild_range first add the rows of the
--     organizations whose edges they compute. So a new row queues nothing. resize_organizations changes the other rows.
--
--     A sync passes the time of the changes that it takes as changed_at. So it goes on until the contacts of these
--     organizations are refreshed, too.
--
--     An organization of more than 20 people is counted for some contacts only when its last count is too old, because
--     one contact hardly changes its class, and counting it takes longer than refreshing the contact.
CREATE OR REPLACE FUNCTION connection_paths.count_organizations(
    contact_ids bigint[] DEFAULT NULL,
    only_new boolean DEFAULT false,
    changed_at timestamptz DEFAULT now()
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
    often_counted CONSTANT integer := 20; -- larger organizations are counted again only when their count is too old
    counted_before CONSTANT timestamptz := now() - connection_paths.count_is_good_for();
    ids bigint[];
    numbers bigint[];
    added bigint;
BEGIN
    IF count_organizations.contact_ids IS NULL THEN
        SELECT array_agg(c.id), array_agg(c.people)
        INTO ids, numbers
        FROM (
            SELECT e.organization_id AS id, COALESCE(o.headcount, count(DISTINCT e.contact_id)) AS people
            FROM connection_paths.employments AS e
            JOIN (
                SELECT k.id, max(k.headcount) FILTER (WHERE k.headcount > 0) AS headcount
                FROM connection_paths.known_organizations AS k
                GROUP BY k.id
            ) AS o ON o.id = e.organization_id
            GROUP BY e.organization_id, o.headcount
        ) AS c;
    ELSE
        SELECT array_agg(c.id), array_agg(c.people)
        INTO ids, numbers
        FROM (
            SELECT o.id, connection_paths.known_people(o.id) AS people
            FROM (
                SELECT DISTINCT e.organization_id AS id
                FROM unnest(count_organizations.contact_ids) AS c (id)
                CROSS JOIN LATERAL (
                    SELECT w.organization_id
                    FROM connection_paths.employments AS w
                    WHERE w.contact_id = c.id
                    OFFSET 0
                ) AS e
            ) AS o
            LEFT JOIN connection_paths.organization_sizes AS s ON s.organization_id = o.id
            WHERE (
                    s.organization_id IS NULL
                    OR count_organizations.only_new IS NOT TRUE
                    AND (s.people <= often_counted OR s.counted_at <= counted_before)
                )
                AND EXISTS (SELECT FROM connection_paths.known_organizations AS k WHERE k.id = o.id)
        ) AS c;
    END IF;

    INSERT INTO connection_paths.organization_sizes (organization_id, people)
    SELECT c.id, connection_paths.size_class(c.people)
    FROM unnest(ids, numbers) AS c (id, people)
    WHERE NOT EXISTS (SELECT FROM connection_paths.organization_sizes AS s WHERE s.organization_id = c.id)
    ORDER BY c.id
    ON CONFLICT (organization_id) DO NOTHING;
    GET DIAGNOSTICS added = ROW_COUNT;
    IF count_organizations.only_new THEN
        RETURN added;
    END IF;

    RETURN added + connection_paths.resize_organizations(ids, numbers, count_organizations.changed_at);
END
$function$;

COMMENT ON FUNCTION connection_paths.count_organizations(bigint[], boolean, timestamptz) IS 'Counts the people of organizations and keeps organization_sizes up to date; returns how many classes were added or changed';

REVOKE ALL ON FUNCTION connection_paths.count_organizations(bigint[], boolean, timestamptz) FROM PUBLIC;
