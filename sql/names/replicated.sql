-- Queues what logical replication, or a session with session_replication_role = replica, updates.
CREATE OR REPLACE TRIGGER connection_paths_names_replicated
    AFTER UPDATE ON :"host_schema".contact_work_experiences
    FOR EACH ROW EXECUTE FUNCTION connection_paths.queue_changed_names();
ALTER TABLE :"host_schema".contact_work_experiences ENABLE REPLICA TRIGGER connection_paths_names_replicated;
