-- connection_paths.note_changed_experiences(): trigger; queues the contacts whose work experiences a statement changed.
--
-- One INSERT a statement, however many rows it wrote, into a table without an index or a constraint. An update that
-- leaves a row's contact, organization and dates as they were queues nothing. TRUNCATE queues everybody.
--
-- Fires in the writer's own transaction, so a change and its note are committed together or not at all, and with its
-- owner's rights: who writes work experiences need have no rights in connection_paths.
CREATE OR REPLACE FUNCTION connection_paths.note_changed_experiences()
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
        SELECT DISTINCT n.contact_id FROM new_rows AS n WHERE n.contact_id IS NOT NULL;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO connection_paths.contact_changes (contact_id)
        SELECT DISTINCT o.contact_id FROM old_rows AS o WHERE o.contact_id IS NOT NULL;
    ELSIF TG_OP = 'UPDATE' THEN
        -- what there is more or less of than before: it asks for no key
        INSERT INTO connection_paths.contact_changes (contact_id)
        SELECT DISTINCT d.contact_id
        FROM (
            SELECT s.contact_id
            FROM (
                SELECT n.contact_id, n.organization_id, n.date_from, n.date_to, 1 AS more FROM new_rows AS n
                UNION ALL
                SELECT o.contact_id, o.organization_id, o.date_from, o.date_to, -1 FROM old_rows AS o
            ) AS s
            WHERE s.contact_id IS NOT NULL
            GROUP BY s.contact_id, s.organization_id, s.date_from, s.date_to
            HAVING sum(s.more) <> 0
        ) AS d;
    ELSE
        INSERT INTO connection_paths.contact_changes (contact_id) VALUES (NULL);
    END IF;
    IF FOUND THEN
        PERFORM connection_paths.wake_listener();
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.note_changed_experiences() IS 'Trigger: queues the contacts whose work experiences changed';

REVOKE ALL ON FUNCTION connection_paths.note_changed_experiences() FROM PUBLIC;
