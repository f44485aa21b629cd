-- connection_paths.queue_decided_names()
--
-- Trigger function that records changes of name_decisions and queues the names.
--
-- Parameters
--     none
-- Returns
--     NULL, which PostgreSQL ignores.
-- Errors
--     none
-- Reads
--     name_decisions
-- Writes
--     name_decision_history, name_changes
-- Used by
--     trigger on name_decisions
-- Why
--     The function queues the name and not its contacts. A work experience with this name may have been written by a
--     transaction that has not ended, so this transaction cannot see all contacts. sync_changes finds them later: see
--     queue_named_contacts. A change that leaves the organization as it was queues nothing.
--
--     SECURITY DEFINER: a role needs only rights on name_decisions. An error of this trigger is an error of the
--     statement, because name_decisions belongs to the package.
CREATE OR REPLACE FUNCTION connection_paths.queue_decided_names()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO connection_paths.name_decision_history (company_name, after, batch_id)
        SELECT n.company_name, to_jsonb(n), n.batch_id
        FROM new_rows AS n;
        INSERT INTO connection_paths.name_changes (company_name)
        SELECT n.company_name FROM new_rows AS n WHERE n.organization_id IS NOT NULL;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO connection_paths.name_decision_history (company_name, before, after, batch_id)
        SELECT COALESCE(n.company_name, o.company_name), to_jsonb(o), to_jsonb(n), n.batch_id
        FROM old_rows AS o
        FULL JOIN new_rows AS n ON n.company_name = o.company_name
        WHERE n IS DISTINCT FROM o;
        INSERT INTO connection_paths.name_changes (company_name)
        SELECT COALESCE(n.company_name, o.company_name)
        FROM old_rows AS o
        FULL JOIN new_rows AS n ON n.company_name = o.company_name
        WHERE n.organization_id IS DISTINCT FROM o.organization_id;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO connection_paths.name_decision_history (company_name, before)
        SELECT o.company_name, to_jsonb(o)
        FROM old_rows AS o;
        INSERT INTO connection_paths.name_changes (company_name)
        SELECT o.company_name FROM old_rows AS o WHERE o.organization_id IS NOT NULL;
    ELSE
        INSERT INTO connection_paths.name_decision_history (company_name, before)
        SELECT d.company_name, to_jsonb(d)
        FROM connection_paths.name_decisions AS d;
        INSERT INTO connection_paths.name_changes (company_name)
        SELECT d.company_name FROM connection_paths.name_decisions AS d WHERE d.organization_id IS NOT NULL;
    END IF;
    PERFORM connection_paths.wake_listener();
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_decided_names() IS 'Trigger: records changes of name_decisions, and queues the names for sync';

REVOKE ALL ON FUNCTION connection_paths.queue_decided_names() FROM PUBLIC;
