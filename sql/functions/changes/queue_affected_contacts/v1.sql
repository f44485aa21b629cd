-- connection_paths.queue_affected_contacts(written_by, everyone_changed_at, organization_ids, organizations_changed_at)
--
-- Queues each contact that a change of organizations, or of every contact, affects.
--
-- Parameters
--     written_by                The latest transaction that wrote one of the replaced rows. Required.
--     everyone_changed_at       The time of a replaced row for every contact. NULL: there was none.
--     organization_ids          The organizations of replaced rows. NULL: none.
--     organizations_changed_at  The time of the change of each organization, in the same order. NULL: none.
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     employments, backfill_runs
-- Writes
--     contact_changes, rebuild_replays
-- Used by
--     sync_changes
-- Why
--     take_changes has deleted the queue rows that this function replaces. A new row keeps the time of the change,
--     because the age of the oldest row shows how far the edges are behind. When every contact is queued, the
--     organizations need no rows of their own.
--
--     Both contacts of an edge that the change affects get a row, or the smaller one was queued by a change of its own.
--     So each edge is refreshed once, from its smaller contact, and sessions that refresh different contacts of an
--     organization do not wait for each other.
--
--     Some edges exist only in the table of a rebuild, and contacts_to_refresh does not find their contacts. So every
--     contact is also queued for the time after the exchange of the tables.
CREATE OR REPLACE FUNCTION connection_paths.queue_affected_contacts(
    written_by xid8,
    everyone_changed_at timestamptz,
    organization_ids bigint[],
    organizations_changed_at timestamptz[]
)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF queue_affected_contacts.everyone_changed_at IS NOT NULL THEN
        INSERT INTO connection_paths.contact_changes (contact_id, written_by, changed_at, smaller_ends_only)
        SELECT c.contact_id, queue_affected_contacts.written_by, queue_affected_contacts.everyone_changed_at, true
        FROM connection_paths.contacts_to_refresh() AS c;
        INSERT INTO connection_paths.rebuild_replays (contact_id)
        SELECT NULL
        FROM connection_paths.backfill_runs AS r
        WHERE r.is_active AND r.strategy = 'rebuild';
    ELSIF queue_affected_contacts.organization_ids IS NOT NULL THEN
        INSERT INTO connection_paths.contact_changes (contact_id, written_by, changed_at, smaller_ends_only)
        SELECT e.contact_id, queue_affected_contacts.written_by, min(o.changed_at), true
        FROM unnest(queue_affected_contacts.organization_ids, queue_affected_contacts.organizations_changed_at)
            AS o (id, changed_at)
        CROSS JOIN LATERAL (
            SELECT w.contact_id
            FROM connection_paths.employments AS w
            WHERE w.organization_id = o.id AND w.contact_id IS NOT NULL
            OFFSET 0
        ) AS e
        GROUP BY e.contact_id;
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_affected_contacts(xid8, timestamptz, bigint[], timestamptz[]) IS 'Queues the contacts that a change of organizations, or of every contact, affects; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.queue_affected_contacts(xid8, timestamptz, bigint[], timestamptz[]) FROM PUBLIC;
