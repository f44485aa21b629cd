-- connection_paths.note_changed_contacts(): trigger; queues the contacts that came or went.
--
-- A change of anything but the id queues nothing. A new contact is queued whether or not it has work experiences: those
-- may be written by a transaction that is not visible yet. See note_changed_experiences.
CREATE OR REPLACE FUNCTION connection_paths.note_changed_contacts()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO connection_paths.contact_changes (contact_id)
        SELECT n.id FROM new_rows AS n WHERE n.id IS NOT NULL;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO connection_paths.contact_changes (contact_id)
        SELECT o.id FROM old_rows AS o WHERE o.id IS NOT NULL;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO connection_paths.contact_changes (contact_id)
        SELECT s.id
        FROM (
            SELECT n.id, 1 AS more FROM new_rows AS n
            UNION ALL
            SELECT o.id, -1 FROM old_rows AS o
        ) AS s
        WHERE s.id IS NOT NULL
        GROUP BY s.id
        HAVING sum(s.more) <> 0;
    ELSE
        INSERT INTO connection_paths.contact_changes (contact_id) VALUES (NULL);
    END IF;
    IF FOUND THEN
        PERFORM connection_paths.wake_listener();
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.note_changed_contacts() IS 'Trigger: queues the contacts that came or went';

REVOKE ALL ON FUNCTION connection_paths.note_changed_contacts() FROM PUBLIC;
