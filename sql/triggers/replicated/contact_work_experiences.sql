-- Capture of changes that logical replication, or a session with session_replication_role = replica, writes.
-- Executed after ../contact_work_experiences.sql, whose triggers do not fire for those. TRUNCATE has no row trigger:
-- that of every statement fires for both.
CREATE OR REPLACE TRIGGER connection_paths_replicated
    AFTER INSERT OR UPDATE OR DELETE ON :"host_schema".contact_work_experiences
    FOR EACH ROW EXECUTE FUNCTION connection_paths.queue_replicated_row('experience');
ALTER TABLE :"host_schema".contact_work_experiences ENABLE REPLICA TRIGGER connection_paths_replicated;
ALTER TABLE :"host_schema".contact_work_experiences ENABLE ALWAYS TRIGGER connection_paths_truncated;
