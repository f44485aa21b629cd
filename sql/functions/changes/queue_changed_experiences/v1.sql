-- connection_paths.queue_changed_experiences()
--
-- Trigger function that queues the contacts whose work experiences a statement changed.
--
-- Parameters
--     none
-- Returns
--     NULL, which PostgreSQL ignores.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     contact_changes
-- Used by
--     trigger on contact_work_experiences
-- Why
--     A statement costs one INSERT, however many rows it wrote, into a table without an index or a constraint. An
--     UPDATE queues nothing when it changes no column that the contact, the organization, the dates and the rule of the
--     mapping are read from. TRUNCATE queues every contact. The columns are compared as they are in the table, so an
--     expression of the mapping that fails for a row does not keep its change from being queued.
--
--     The trigger runs in the transaction of the writer. So the change and its queue row are committed together or not
--     at all. SECURITY DEFINER: the writer needs no rights in connection_paths.
--
--     The statement of the writer never fails because of this trigger. Everything that may raise an error (a column was
--     renamed, dropped or changed its type; the queue is missing) is in a block that catches the error. The block
--     writes nothing, so its subtransaction gets no transaction id. Otherwise a transaction of many statements would
--     slow down every snapshot of the server. record_capture_failure records the error. When even that fails, for
--     example because the function is missing, the client gets a warning. These blocks stand in every trigger function:
--     a function that they share could be missing as well.
--
--     The text of this function depends on the mapping of the tables: orchestrator/host/binding.py. A column of the
--     table may have the name of a variable; variable_conflict then takes the column.
--
--     COALESCE with a bigint, around a contact id that is a column: PostgreSQL rejects an id of another type before it
--     looks for a cast. The owner of the table could create a cast, and its function would run with the rights of the
--     owner of the package.
CREATE OR REPLACE FUNCTION connection_paths.queue_changed_experiences()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    contact_ids bigint[];
    failure text;
BEGIN
    BEGIN
        IF TG_OP = 'INSERT' THEN
            contact_ids := ARRAY(
                SELECT DISTINCT :contact_work_experiences.captured_id FROM new_rows AS n WHERE :contact_work_experiences.captured_id IS NOT NULL
            );
        ELSIF TG_OP = 'DELETE' THEN
            contact_ids := ARRAY(
                SELECT DISTINCT :contact_work_experiences.captured_id FROM old_rows AS o WHERE :contact_work_experiences.captured_id IS NOT NULL
            );
        ELSIF TG_OP = 'UPDATE' THEN
            -- the rows of which there are more or fewer than before; this needs no key
            contact_ids := ARRAY(
                SELECT DISTINCT s.connection_paths_id
                FROM (
                    SELECT :contact_work_experiences.captured_id AS connection_paths_id, :contact_work_experiences.captured_values, 1 AS connection_paths_sign
                    FROM new_rows AS n
                    UNION ALL
                    SELECT :contact_work_experiences.captured_id, :contact_work_experiences.captured_values, -1
                    FROM old_rows AS o
                ) AS s
                WHERE s.connection_paths_id IS NOT NULL
                GROUP BY s.connection_paths_id, :contact_work_experiences.captured
                HAVING sum(s.connection_paths_sign) <> 0
            );
        ELSE
            contact_ids := ARRAY[NULL]::bigint[]; -- every contact
        END IF;
        IF cardinality(contact_ids) = 0 THEN
            RETURN NULL;
        END IF;
        -- raises where the INSERT below would raise, because the table, a column or a right is missing
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
        PERFORM connection_paths.record_capture_failure(TG_RELID, failure);
    EXCEPTION
        WHEN OTHERS THEN
            RAISE WARNING 'connection_paths cannot queue a change of %.%: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, failure;
    END;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_changed_experiences() IS 'Trigger: queues the contacts whose work experiences a statement changed';

REVOKE ALL ON FUNCTION connection_paths.queue_changed_experiences() FROM PUBLIC;
