-- Capture of changes that logical replication, or a session with session_replication_role = replica, writes.
-- Executed after ../organizations.sql, whose triggers do not fire for those. TRUNCATE has no row trigger: that of every
-- statement fires for both.
CREATE OR REPLACE TRIGGER connection_paths_replicated
    AFTER INSERT OR UPDATE OR DELETE ON :"host_schema".organizations
    FOR EACH ROW EXECUTE FUNCTION connection_paths.queue_replicated_row('organization');
ALTER TABLE :"host_schema".organizations ENABLE REPLICA TRIGGER connection_paths_replicated;
ALTER TABLE :"host_schema".organizations ENABLE ALWAYS TRIGGER connection_paths_truncated;
