-- connection_paths.delete_requests(contact_ids)
--
-- Deletes the requests for introductions by or to contacts that no longer exist.
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
--     introduction_requests
-- Used by
--     sync_changes
-- Why
--     Requests for introductions are personal data, so they are deleted with the introducer or the target.
--
--     Rows of do_not_ask stay: only the application deletes them. A contact that is missing today may come back, for
--     example from an archive, or may be about to be inserted. A person who has opted out must not be asked then.
--
--     Only contacts that were queued by their own id are checked. After TRUNCATE or queue_everyone nothing is deleted:
--     the application may be loading contacts, and these rows cannot be computed again. For the same reason nothing is
--     deleted while no contact exists at all.
CREATE OR REPLACE FUNCTION connection_paths.delete_requests(contact_ids bigint[])
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
        FROM unnest(delete_requests.contact_ids) AS c (id)
        WHERE NOT EXISTS (SELECT FROM connection_paths.live_contacts AS l WHERE l.id = c.id)
    );
    IF cardinality(missing) > 0 THEN
        DELETE FROM connection_paths.introduction_requests AS r
        WHERE r.introducer_contact_id = ANY (missing) OR r.target_contact_id = ANY (missing);
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.delete_requests(bigint[]) IS 'Deletes the rows of introduction_requests about contacts that no longer exist; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.delete_requests(bigint[]) FROM PUBLIC;
