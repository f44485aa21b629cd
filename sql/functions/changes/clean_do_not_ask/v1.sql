-- connection_paths.clean_do_not_ask(contact_ids)
--
-- Deletes the do_not_ask rows of contacts that no longer exist.
--
-- Parameters
--     contact_ids  The contacts to check. NULL elements are ignored.
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     live_contacts
-- Writes
--     do_not_ask
-- Used by
--     sync_changes
-- Why
--     The application may use an id again. Without this deletion, the new contact would be missing from every path.
--
--     Only contacts that were queued by their own id are checked. After TRUNCATE or queue_everyone nothing is deleted:
--     the application may be loading contacts, and the entries of do_not_ask cannot be computed again. For the same
--     reason nothing is deleted while no contact exists at all.
CREATE OR REPLACE FUNCTION connection_paths.clean_do_not_ask(contact_ids bigint[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    missing bigint[];
BEGIN
    IF NOT EXISTS (SELECT FROM connection_paths.live_contacts) THEN
        RETURN;
    END IF;
    missing := ARRAY(
        SELECT c.id
        FROM unnest(clean_do_not_ask.contact_ids) AS c (id)
        WHERE NOT EXISTS (SELECT FROM connection_paths.live_contacts AS l WHERE l.id = c.id)
    );
    IF cardinality(missing) > 0 THEN
        DELETE FROM connection_paths.do_not_ask AS d WHERE d.contact_id = ANY (missing);
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.clean_do_not_ask(bigint[]) IS 'Deletes the do_not_ask rows of contacts that no longer exist; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.clean_do_not_ask(bigint[]) FROM PUBLIC;
