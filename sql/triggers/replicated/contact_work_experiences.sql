-- Queue the changes that logical replication writes, or a session with session_replication_role = replica. The
-- statement triggers of ../contact_work_experiences.sql, which are created first, do not fire for these.
-- TRUNCATE has no row triggers, so its statement trigger is set to fire in both kinds of sessions.
CREATE OR REPLACE TRIGGER connection_paths_replicated
    AFTER INSERT OR UPDATE OR DELETE ON :"host_schema".contact_work_experiences
    FOR EACH ROW EXECUTE FUNCTION connection_paths.queue_replicated_row('experience');
ALTER TABLE :"host_schema".contact_work_experiences ENABLE REPLICA TRIGGER connection_paths_replicated;
ALTER TABLE :"host_schema".contact_work_experiences ENABLE ALWAYS TRIGGER connection_paths_truncated;
