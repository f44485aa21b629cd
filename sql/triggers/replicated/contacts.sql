-- Queues changes that logical replication writes to this table, or a session with session_replication_role = replica.
-- The statement triggers of ../contacts.sql do not fire for such changes. TRUNCATE has no row
-- triggers, so its statement trigger is enabled for both kinds of sessions.
CREATE OR REPLACE TRIGGER connection_paths_replicated
    AFTER INSERT OR UPDATE OR DELETE ON :contacts.table
    FOR EACH ROW EXECUTE FUNCTION connection_paths.queue_replicated_row('contact');
ALTER TABLE :contacts.table ENABLE REPLICA TRIGGER connection_paths_replicated;
ALTER TABLE :contacts.table ENABLE ALWAYS TRIGGER connection_paths_truncated;
