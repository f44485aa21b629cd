-- connection_paths.queue_changed_names()
--
-- Trigger function that queues the contacts of work experiences whose company name was changed.
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
--     The trigger exists only while company names are resolved. It fires beside the triggers of
--     queue_changed_experiences and queue_replicated_row, which handle inserted and deleted rows and all other columns.
--     Only rows without an organization count. A statement trigger queues what a statement updated. A row trigger
--     queues what logical replication or a replica session updated.
--
--     SECURITY DEFINER, the exception block and COALESCE: see queue_changed_experiences.
CREATE OR REPLACE FUNCTION connection_paths.queue_changed_names()
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
        IF TG_LEVEL = 'ROW' THEN
            IF NEW.organization_id IS NULL AND NEW.company_name IS DISTINCT FROM OLD.company_name THEN
                contact_ids := ARRAY[COALESCE(NEW.contact_id, NULL::bigint)];
            END IF;
        ELSE
            -- the rows of which there are more or fewer than before; this needs no key
            contact_ids := ARRAY(
                SELECT DISTINCT COALESCE(s.contact_id, NULL::bigint)
                FROM (
                    SELECT n.contact_id, n.company_name, 1 AS more
                    FROM new_rows AS n
                    WHERE n.organization_id IS NULL
                    UNION ALL
                    SELECT o.contact_id, o.company_name, -1
                    FROM old_rows AS o
                    WHERE o.organization_id IS NULL
                ) AS s
                WHERE s.contact_id IS NOT NULL
                GROUP BY s.contact_id, s.company_name
                HAVING sum(s.more) <> 0
            );
        END IF;
        IF COALESCE(cardinality(contact_ids), 0) = 0 THEN
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
        INSERT INTO connection_paths.contact_changes (contact_id)
        SELECT c.id FROM unnest(contact_ids) AS c (id) WHERE c.id IS NOT NULL;
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

COMMENT ON FUNCTION connection_paths.queue_changed_names() IS 'Trigger: queues the contacts of work experiences whose company name a statement changed';

REVOKE ALL ON FUNCTION connection_paths.queue_changed_names() FROM PUBLIC;
