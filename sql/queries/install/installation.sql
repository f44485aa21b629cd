-- Returns the choices of the last install; no row if nothing is installed, or by a version that did not store them.
SELECT i.host_schema, i.has_triggers, i.is_replicated, i.mapping, i.version
FROM connection_paths.installation AS i
