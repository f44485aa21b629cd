-- Queues the contacts of work experiences whose company name changes. The header of the trigger function explains which
-- changes count.
CREATE OR REPLACE TRIGGER connection_paths_names_updated
    AFTER UPDATE ON :"host_schema".contact_work_experiences
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_changed_names();
