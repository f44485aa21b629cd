-- What was installed last; no row: nothing, or by a version that did not keep it.
SELECT i.host_schema, i.has_triggers, i.is_replicated, i.version
FROM connection_paths.installation AS i
