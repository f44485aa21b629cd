-- connection_paths.note_everybody(): queues every contact; for changes that cannot be named.
--
-- The next sync recomputes every contact, which takes about as long as a backfill in place. Acts with its owner's
-- rights, so GRANT EXECUTE is all that a role needs.
CREATE OR REPLACE FUNCTION connection_paths.note_everybody()
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

COMMENT ON FUNCTION connection_paths.note_everybody() IS 'Queues every contact: sync recomputes all edges';

REVOKE ALL ON FUNCTION connection_paths.note_everybody() FROM PUBLIC;
