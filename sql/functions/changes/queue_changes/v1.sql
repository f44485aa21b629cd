-- connection_paths.queue_changes(contact_ids, organization_ids)
--
-- Queues contacts and organizations whose rows were written where triggers do not fire.
--
-- Parameters
--     contact_ids       Contacts that were inserted or deleted, or whose work experiences changed. The default is none.
--                       NULL and NULL elements are ignored.
--     organization_ids  Organizations that were inserted or deleted. The default is none. NULL and NULL elements are
--                       ignored.
-- Returns
--     The number of queue rows that were written. Repeated elements count once.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     contact_changes
-- Used by
--     applications
-- Why
--     Call the function in the transaction that wrote the rows, so that the change and its queue row are committed
--     together. To queue every contact, call queue_everyone: empty arguments never mean that.
--     SECURITY DEFINER: a role needs only GRANT EXECUTE.
CREATE OR REPLACE FUNCTION connection_paths.queue_changes(
    contact_ids bigint[] DEFAULT '{}',
    organization_ids bigint[] DEFAULT '{}'
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    queued bigint;
BEGIN
    INSERT INTO connection_paths.contact_changes (contact_id, organization_id)
    SELECT c.id, NULL FROM unnest(queue_changes.contact_ids) AS c (id) WHERE c.id IS NOT NULL
    UNION
    SELECT NULL, o.id FROM unnest(queue_changes.organization_ids) AS o (id) WHERE o.id IS NOT NULL;
    GET DIAGNOSTICS queued = ROW_COUNT;
    IF queued > 0 THEN
        PERFORM connection_paths.wake_listener();
    END IF;
    RETURN queued;
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_changes(bigint[], bigint[]) IS 'Queues contacts and organizations whose rows were written where no trigger fires; sync refreshes their edges';

REVOKE ALL ON FUNCTION connection_paths.queue_changes(bigint[], bigint[]) FROM PUBLIC;
