-- connection_paths.note_came_or_went(): trigger; queues the contacts, or the organizations, that came or went.
--
-- The trigger's argument says which: 'contact' or 'organization'. A row each, not one for everybody who worked at an
-- organization: those are found by sync_changes, not by the writer. A change of anything but the id queues nothing; a
-- new contact is queued whether or not it has work experiences, for those may be written by a transaction that is not
-- visible yet. See note_changed_experiences.
CREATE OR REPLACE FUNCTION connection_paths.note_came_or_went()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    ids bigint[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        ids := ARRAY(SELECT n.id FROM new_rows AS n);
    ELSIF TG_OP = 'DELETE' THEN
        ids := ARRAY(SELECT o.id FROM old_rows AS o);
    ELSIF TG_OP = 'UPDATE' THEN
        ids := ARRAY(
            SELECT s.id
            FROM (
                SELECT n.id, 1 AS more FROM new_rows AS n
                UNION ALL
                SELECT o.id, -1 FROM old_rows AS o
            ) AS s
            GROUP BY s.id
            HAVING sum(s.more) <> 0
        );
    ELSE
        INSERT INTO connection_paths.contact_changes (contact_id) VALUES (NULL);
        PERFORM connection_paths.wake_listener();
        RETURN NULL;
    END IF;

    INSERT INTO connection_paths.contact_changes (contact_id, organization_id)
    SELECT
        CASE TG_ARGV[0] WHEN 'contact' THEN c.id END,
        CASE TG_ARGV[0] WHEN 'organization' THEN c.id END
    FROM unnest(ids) AS c (id)
    WHERE c.id IS NOT NULL;
    IF FOUND THEN
        PERFORM connection_paths.wake_listener();
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.note_came_or_went() IS 'Trigger: queues the contacts, or the organizations, that came or went';

REVOKE ALL ON FUNCTION connection_paths.note_came_or_went() FROM PUBLIC;
