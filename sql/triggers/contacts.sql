-- Queues changes of this table. The header of the trigger function explains which changes count.
CREATE OR REPLACE TRIGGER connection_paths_inserted
    AFTER INSERT ON :contacts.table
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_added_or_removed('contact');
CREATE OR REPLACE TRIGGER connection_paths_updated
    AFTER UPDATE ON :contacts.table
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_added_or_removed('contact');
CREATE OR REPLACE TRIGGER connection_paths_deleted
    AFTER DELETE ON :contacts.table
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_added_or_removed('contact');
CREATE OR REPLACE TRIGGER connection_paths_truncated
    AFTER TRUNCATE ON :contacts.table
    FOR EACH STATEMENT EXECUTE FUNCTION connection_paths.queue_added_or_removed('contact');
