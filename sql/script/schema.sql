CREATE SCHEMA IF NOT EXISTS connection_paths;

COMMENT ON SCHEMA connection_paths IS 'Introduction paths through overlapping careers';
