-- connection_paths.queue_everyone()
--
-- Queues every contact, for changes whose contacts are unknown.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     contact_changes
-- Used by
--     attach_source, applications
-- Why
--     The next sync refreshes every contact, which takes about as long as a backfill in place.
--     SECURITY DEFINER: a role needs only GRANT EXECUTE.
CREATE OR REPLACE FUNCTION connection_paths.queue_everyone()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    INSERT INTO connection_paths.contact_changes (contact_id) VALUES (NULL);
    PERFORM connection_paths.wake_listener();
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_everyone() IS 'Queues every contact: sync refreshes all edges';

REVOKE ALL ON FUNCTION connection_paths.queue_everyone() FROM PUBLIC;
