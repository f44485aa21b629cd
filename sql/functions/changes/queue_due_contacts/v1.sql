-- connection_paths.queue_due_contacts(max_contacts)
--
-- Moves contacts whose scheduled refresh is due from due_changes to the queue.
--
-- Parameters
--     max_contacts  How many contacts to move at most, at least 1. Required.
-- Returns
--     The number of contacts that were moved.
-- Errors
--     none
-- Reads
--     due_changes
-- Writes
--     due_changes, contact_changes
-- Used by
--     sync_changes
-- Why
--     Rows that another session has locked are skipped. A queue row keeps the day when the contact was due, because its
--     age shows how far the edges are behind.
CREATE OR REPLACE FUNCTION connection_paths.queue_due_contacts(max_contacts integer)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    queued bigint;
BEGIN
    WITH due AS (
        DELETE FROM connection_paths.due_changes AS d
        WHERE d.contact_id = ANY (ARRAY(
            SELECT s.contact_id
            FROM connection_paths.due_changes AS s
            WHERE s.due_on <= CURRENT_DATE
            LIMIT queue_due_contacts.max_contacts
            FOR UPDATE SKIP LOCKED
        ))
        RETURNING d.contact_id, d.due_on
    )
    INSERT INTO connection_paths.contact_changes (contact_id, changed_at)
    SELECT d.contact_id, d.due_on FROM due AS d;
    GET DIAGNOSTICS queued = ROW_COUNT;
    RETURN queued;
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_due_contacts(integer) IS 'Moves contacts whose scheduled refresh is due to the queue; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.queue_due_contacts(integer) FROM PUBLIC;
