-- connection_paths.note_changed_experiences(): trigger; queues the contacts whose work experiences a statement changed.
--
-- One INSERT a statement, however many rows it wrote, into a table without an index or a constraint. An update that
-- leaves a row's contact, organization and dates as they were queues nothing. TRUNCATE queues everybody.
--
-- Fires in the writer's own transaction, so a change and its note are committed together or not at all, and with its
-- owner's rights: who writes work experiences need have no rights in connection_paths.
--
-- The writer's statement never fails because of this trigger. What may raise an error (a column that was renamed,
-- dropped or retyped, a queue that is gone) is in a block that catches it. That block writes nothing, so it takes no
-- transaction id: a transaction of many statements would otherwise slow down every snapshot of the server.
-- When the block fails, note_failure records it.
--
-- COALESCE with a bigint: an id of another type is refused before a cast of it is looked up. The owner of the table
-- could make such a cast, and its function would run with the rights of the package's owner.
CREATE OR REPLACE FUNCTION connection_paths.note_changed_experiences()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    contact_ids bigint[];
    failure text;
BEGIN
    BEGIN
        IF TG_OP = 'INSERT' THEN
            contact_ids := ARRAY(SELECT DISTINCT COALESCE(n.contact_id, NULL::bigint) FROM new_rows AS n WHERE n.contact_id IS NOT NULL);
        ELSIF TG_OP = 'DELETE' THEN
            contact_ids := ARRAY(SELECT DISTINCT COALESCE(o.contact_id, NULL::bigint) FROM old_rows AS o WHERE o.contact_id IS NOT NULL);
        ELSIF TG_OP = 'UPDATE' THEN
            -- the rows of which there are more or fewer than before: that needs no key
            contact_ids := ARRAY(
                SELECT DISTINCT COALESCE(d.contact_id, NULL::bigint)
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
                ) AS d
            );
        ELSE
            contact_ids := ARRAY[NULL]::bigint[]; -- everybody
        END IF;
        IF cardinality(contact_ids) = 0 THEN
            RETURN NULL;
        END IF;
        -- fails where the INSERT below would fail for want of the table, a column or a right
        INSERT INTO connection_paths.contact_changes (contact_id) SELECT NULL::bigint WHERE false;
        PERFORM connection_paths.wake_listener();
    EXCEPTION
        WHEN OTHERS THEN
            failure := SQLERRM || ' [SQLSTATE ' || SQLSTATE || ']';
    END;

    IF failure IS NULL THEN
        INSERT INTO connection_paths.contact_changes (contact_id) SELECT c.id FROM unnest(contact_ids) AS c (id);
        RETURN NULL;
    END IF;
    BEGIN
        PERFORM connection_paths.note_failure(TG_RELID, failure);
    EXCEPTION
        WHEN OTHERS THEN
            RAISE WARNING 'connection_paths cannot note a change of %.%: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, failure;
    END;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.note_changed_experiences() IS 'Trigger: queues the contacts whose work experiences changed';

REVOKE ALL ON FUNCTION connection_paths.note_changed_experiences() FROM PUBLIC;
