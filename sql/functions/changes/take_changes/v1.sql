-- connection_paths.take_changes(max_changes, retry_failed)
--
-- Deletes rows from the queue and returns their contents, grouped by contact and organization.
--
-- Parameters
--     max_changes   How many queue rows to take at most, at least 1. Required.
--     retry_failed  true: also take the rows that have failed three times. NULL means false.
-- Returns
--     Always one row.
--     taken                     The number of queue rows that were deleted.
--     written_by                The latest transaction that wrote one of them. NULL when taken is 0.
--     everyone_changed_at       The earliest time of a row for every contact. NULL: no such row.
--     organization_ids          The organizations, each once. NULL: none.
--     organizations_changed_at  The earliest time of each organization, in the same order.
--     contact_ids               The contacts, each once, in ascending order. NULL: none.
--     contacts_changed_at       The earliest time of each contact, in the same order.
--     contacts_failures         The largest number of failures of each contact, in the same order.
--     smaller_ends_only         Whether all rows of a contact are for its smaller ends only, in the same order.
-- Errors
--     none
-- Reads
--     contact_changes
-- Writes
--     contact_changes
-- Used by
--     sync_changes
-- Why
--     Rows that another session has locked are skipped, so any number of sessions may take changes at the same time.
CREATE OR REPLACE FUNCTION connection_paths.take_changes(max_changes integer, retry_failed boolean)
RETURNS TABLE (
    taken bigint,
    written_by xid8,
    everyone_changed_at timestamptz,
    organization_ids bigint[],
    organizations_changed_at timestamptz[],
    contact_ids bigint[],
    contacts_changed_at timestamptz[],
    contacts_failures smallint[],
    smaller_ends_only boolean[]
)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN QUERY
    WITH claimed AS (
        DELETE FROM connection_paths.contact_changes AS q
        WHERE q.ctid = ANY (ARRAY(
            SELECT c.ctid
            FROM connection_paths.contact_changes AS c
            WHERE NOT c.has_failed OR take_changes.retry_failed
            LIMIT take_changes.max_changes
            FOR UPDATE SKIP LOCKED
        ))
        RETURNING
            q.contact_id,
            q.organization_id,
            q.written_by::text::bigint AS written_by,
            q.changed_at,
            q.failures,
            q.smaller_ends_only
    ),
    changed AS (
        SELECT
            c.contact_id,
            c.organization_id,
            count(*) AS queue_rows,
            max(c.written_by) AS written_by,
            min(c.changed_at) AS changed_at,
            max(c.failures) AS failures,
            bool_and(c.smaller_ends_only) AS smaller_ends_only
        FROM claimed AS c
        GROUP BY c.contact_id, c.organization_id
    )
    SELECT
        COALESCE(sum(c.queue_rows), 0)::bigint,
        max(c.written_by)::text::pg_catalog.xid8,
        min(c.changed_at) FILTER (WHERE c.contact_id IS NULL AND c.organization_id IS NULL),
        array_agg(c.organization_id ORDER BY c.organization_id) FILTER (WHERE c.organization_id IS NOT NULL),
        array_agg(c.changed_at ORDER BY c.organization_id) FILTER (WHERE c.organization_id IS NOT NULL),
        array_agg(c.contact_id ORDER BY c.contact_id) FILTER (WHERE c.contact_id IS NOT NULL),
        array_agg(c.changed_at ORDER BY c.contact_id) FILTER (WHERE c.contact_id IS NOT NULL),
        array_agg(c.failures ORDER BY c.contact_id) FILTER (WHERE c.contact_id IS NOT NULL),
        array_agg(c.smaller_ends_only ORDER BY c.contact_id) FILTER (WHERE c.contact_id IS NOT NULL)
    FROM changed AS c;
END
$function$;

COMMENT ON FUNCTION connection_paths.take_changes(integer, boolean) IS 'Deletes rows from the queue of changes and returns them grouped; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.take_changes(integer, boolean) FROM PUBLIC;
