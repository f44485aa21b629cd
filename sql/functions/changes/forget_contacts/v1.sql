-- connection_paths.forget_contacts(contact_ids): removes the do_not_ask rows of contacts that no longer exist.
--
-- An id may be used again, and its new owner would be left out of every path without a word.
--
-- sync_changes calls it for contacts that have a note of their own. After TRUNCATE or note_everybody nothing is
-- removed: contacts may be half loaded, and what people said about whom to ask cannot be computed again. For the same
-- reason nothing is removed while no contact exists at all.
--
-- contact_ids  the contacts to look at
CREATE OR REPLACE FUNCTION connection_paths.forget_contacts(contact_ids bigint[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    gone bigint[];
BEGIN
    IF NOT EXISTS (SELECT FROM connection_paths.live_contacts) THEN
        RETURN;
    END IF;
    gone := ARRAY(
        SELECT c.id
        FROM unnest(forget_contacts.contact_ids) AS c (id)
        WHERE NOT EXISTS (SELECT FROM connection_paths.live_contacts AS l WHERE l.id = c.id)
    );
    IF cardinality(gone) > 0 THEN
        DELETE FROM connection_paths.do_not_ask AS d WHERE d.contact_id = ANY (gone);
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.forget_contacts(bigint[]) IS 'Removes the do_not_ask rows of contacts that no longer exist; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.forget_contacts(bigint[]) FROM PUBLIC;
