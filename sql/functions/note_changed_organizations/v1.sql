-- connection_paths.note_changed_organizations(): trigger; queues the organizations that came or went.
--
-- A row an organization, not one a contact: whoever worked there is found by sync_changes, not by the writer. A change
-- of anything but the id queues nothing. See note_changed_experiences.
CREATE OR REPLACE FUNCTION connection_paths.note_changed_organizations()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO connection_paths.contact_changes (organization_id)
        SELECT n.id FROM new_rows AS n WHERE n.id IS NOT NULL;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO connection_paths.contact_changes (organization_id)
        SELECT o.id FROM old_rows AS o WHERE o.id IS NOT NULL;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO connection_paths.contact_changes (organization_id)
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

COMMENT ON FUNCTION connection_paths.note_changed_organizations() IS 'Trigger: queues the organizations that came or went';

REVOKE ALL ON FUNCTION connection_paths.note_changed_organizations() FROM PUBLIC;
