-- The schema, and a table with one row that describes the installation. The comment of the table shows that the schema
-- belongs to this package.
--
-- Every install and uninstall holds the SHARE UPDATE EXCLUSIVE lock of this table, in a session of its own. So only one
-- of them runs at a time, and only a role that may write the table can take the lock. No migration alters the table,
-- because it would wait for this lock.
CREATE SCHEMA IF NOT EXISTS connection_paths;

COMMENT ON SCHEMA connection_paths IS 'connection_paths: introduction paths through overlapping careers';

CREATE TABLE IF NOT EXISTS connection_paths.installation (
    is_installation boolean PRIMARY KEY DEFAULT true CONSTRAINT installation_one_row CHECK (is_installation),
    host_schema text NOT NULL,
    has_triggers boolean NOT NULL,
    is_replicated boolean NOT NULL DEFAULT false,
    resolves_names boolean NOT NULL DEFAULT false,
    version text NOT NULL,
    mapping jsonb,
    partitions text[],
    installed_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE connection_paths.installation IS 'The latest installation, in one row. An install without options uses the same host schema, mapping and triggers';
COMMENT ON COLUMN connection_paths.installation.host_schema IS 'The schema of the application''s tables';
COMMENT ON COLUMN connection_paths.installation.has_triggers IS 'Whether triggers capture changes of the application''s tables';
COMMENT ON COLUMN connection_paths.installation.is_replicated IS 'Whether they also capture what logical replication writes';
COMMENT ON COLUMN connection_paths.installation.resolves_names IS 'Whether experiences with only a company name make edges, once the name is resolved';
COMMENT ON COLUMN connection_paths.installation.mapping IS 'Which table, columns and rows each source is; NULL: tables of the default names in the host schema';
COMMENT ON COLUMN connection_paths.installation.partitions IS 'The partitions of the application''s tables at the latest installation; when one of them has been dropped, edges of its rows may remain; NULL: not known';
COMMENT ON COLUMN connection_paths.installation.version IS 'The version of the package';

REVOKE ALL ON SCHEMA connection_paths FROM PUBLIC;
REVOKE ALL ON TABLE connection_paths.installation FROM PUBLIC;
