-- connection_paths.queue_replicated_row()
--
-- Trigger function that queues the change of one row that logical replication or a replica session wrote.
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
--     trigger on contacts, trigger on organizations, trigger on contact_work_experiences
-- Why
--     The argument of the trigger is 'contact', 'organization' or 'experience': what the table contains.
--
--     Logical replication fires no statement triggers, and a session with session_replication_role = replica fires only
--     triggers that are enabled for replicas. This trigger is enabled for replicas only. So for every change exactly
--     one trigger fires: this one or a statement trigger. This function queues the same as queue_added_or_removed and
--     queue_changed_experiences, one row at a time.
--
--     SECURITY DEFINER, the exception block and COALESCE: see queue_changed_experiences.
CREATE OR REPLACE FUNCTION connection_paths.queue_replicated_row()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    before_id bigint;
    after_id bigint;
    is_changed boolean := true;
    failure text;
BEGIN
    BEGIN
        IF TG_ARGV[0] = 'experience' THEN
            before_id := CASE WHEN TG_OP <> 'INSERT' THEN :contact_work_experiences.captured_old_id END;
            after_id := CASE WHEN TG_OP <> 'DELETE' THEN :contact_work_experiences.captured_new_id END;
            IF TG_OP = 'UPDATE' THEN
                is_changed := ROW(:contact_work_experiences.captured_old) IS DISTINCT FROM ROW(:contact_work_experiences.captured_new);
            END IF;
        ELSIF TG_ARGV[0] = 'contact' THEN
            before_id := CASE WHEN TG_OP <> 'INSERT' THEN :contacts.captured_old_id END;
            after_id := CASE WHEN TG_OP <> 'DELETE' THEN :contacts.captured_new_id END;
            IF TG_OP = 'UPDATE' THEN
                is_changed := ROW(:contacts.captured_old) IS DISTINCT FROM ROW(:contacts.captured_new);
            END IF;
        ELSIF TG_ARGV[0] = 'organization' THEN
            before_id := CASE WHEN TG_OP <> 'INSERT' THEN :organizations.captured_old_id END;
            after_id := CASE WHEN TG_OP <> 'DELETE' THEN :organizations.captured_new_id END;
            IF TG_OP = 'UPDATE' THEN
                is_changed := ROW(:organizations.captured_old) IS DISTINCT FROM ROW(:organizations.captured_new);
            END IF;
        END IF;
        IF NOT is_changed OR COALESCE(before_id, after_id) IS NULL THEN
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
            CASE WHEN TG_ARGV[0] <> 'organization' THEN c.id END,
            CASE WHEN TG_ARGV[0] = 'organization' THEN c.id END
        FROM (SELECT before_id UNION SELECT after_id) AS c (id)
        WHERE c.id IS NOT NULL;
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

COMMENT ON FUNCTION connection_paths.queue_replicated_row() IS 'Trigger: queues the change of one row that logical replication or a replica session wrote';

REVOKE ALL ON FUNCTION connection_paths.queue_replicated_row() FROM PUBLIC;
