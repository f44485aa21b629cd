-- connection_paths.queue_added_or_removed()
--
-- Trigger function that queues the contacts or organizations that a statement inserted or deleted.
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
--     trigger on contacts, trigger on organizations
-- Why
--     The argument of the trigger is 'contact' or 'organization': what the table contains. The function queues one row
--     for each contact or organization. sync_changes finds the contacts that worked at an organization, so the
--     statement of the writer does not take longer for that. An UPDATE counts only when it changes the id, or a column
--     that the rule of the mapping reads. A row that is updated may be queued twice. A new contact is queued even when
--     it has no work experiences yet, because an open transaction may have written some. TRUNCATE queues every contact.
--
--     SECURITY DEFINER, the exception block and COALESCE: see queue_changed_experiences. An error while reading the
--     changed rows is recorded by record_capture_failure.
CREATE OR REPLACE FUNCTION connection_paths.queue_added_or_removed()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    ids bigint[];
    failure text;
BEGIN
    BEGIN
        IF TG_OP = 'TRUNCATE' THEN
            ids := ARRAY[NULL]::bigint[]; -- every contact
        ELSIF TG_OP = 'INSERT' AND TG_ARGV[0] = 'contact' THEN
            ids := ARRAY(SELECT :contacts.captured_id FROM new_rows AS n WHERE :contacts.captured_id IS NOT NULL);
        ELSIF TG_OP = 'DELETE' AND TG_ARGV[0] = 'contact' THEN
            ids := ARRAY(SELECT :contacts.captured_id FROM old_rows AS o WHERE :contacts.captured_id IS NOT NULL);
        ELSIF TG_OP = 'UPDATE' AND TG_ARGV[0] = 'contact' THEN
            ids := ARRAY(
                SELECT s.connection_paths_id
                FROM (
                    SELECT :contacts.captured_id AS connection_paths_id, :contacts.captured_values, 1 AS connection_paths_sign
                    FROM new_rows AS n
                    UNION ALL
                    SELECT :contacts.captured_id, :contacts.captured_values, -1
                    FROM old_rows AS o
                ) AS s
                WHERE s.connection_paths_id IS NOT NULL
                GROUP BY s.connection_paths_id, :contacts.captured
                HAVING sum(s.connection_paths_sign) <> 0
            );
        ELSIF TG_OP = 'INSERT' AND TG_ARGV[0] = 'organization' THEN
            ids := ARRAY(SELECT :organizations.captured_id FROM new_rows AS n WHERE :organizations.captured_id IS NOT NULL);
        ELSIF TG_OP = 'DELETE' AND TG_ARGV[0] = 'organization' THEN
            ids := ARRAY(SELECT :organizations.captured_id FROM old_rows AS o WHERE :organizations.captured_id IS NOT NULL);
        ELSIF TG_OP = 'UPDATE' AND TG_ARGV[0] = 'organization' THEN
            ids := ARRAY(
                SELECT s.connection_paths_id
                FROM (
                    SELECT :organizations.captured_id AS connection_paths_id, :organizations.captured_values, 1 AS connection_paths_sign
                    FROM new_rows AS n
                    UNION ALL
                    SELECT :organizations.captured_id, :organizations.captured_values, -1
                    FROM old_rows AS o
                ) AS s
                WHERE s.connection_paths_id IS NOT NULL
                GROUP BY s.connection_paths_id, :organizations.captured
                HAVING sum(s.connection_paths_sign) <> 0
            );
        END IF;
        IF cardinality(ids) = 0 THEN
            RETURN NULL;
        END IF;
        -- raises where the INSERT below would raise, because the table, a column or a right is missing
        INSERT INTO connection_paths.contact_changes (contact_id, organization_id)
        SELECT NULL::bigint, NULL::bigint WHERE false;
        PERFORM connection_paths.wake_listener();
    EXCEPTION
        WHEN OTHERS THEN
            failure := SQLERRM || ' [SQLSTATE ' || SQLSTATE || ']';
    END;

    IF failure IS NULL THEN
        INSERT INTO connection_paths.contact_changes (contact_id, organization_id)
        SELECT
            CASE TG_ARGV[0] WHEN 'contact' THEN c.id END,
            CASE TG_ARGV[0] WHEN 'organization' THEN c.id END
        FROM unnest(ids) AS c (id);
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

COMMENT ON FUNCTION connection_paths.queue_added_or_removed() IS 'Trigger: queues the contacts or organizations that a statement inserted or deleted';

REVOKE ALL ON FUNCTION connection_paths.queue_added_or_removed() FROM PUBLIC;
