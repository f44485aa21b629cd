-- Stores the choices of this install for the next one. Writes nothing if they have not changed.
--
-- Parameters: host_schema; has_triggers; is_replicated; version; mapping (JSON, NULL: the default).
INSERT INTO connection_paths.installation AS i (host_schema, has_triggers, is_replicated, version, mapping)
VALUES (%(host_schema)s, %(has_triggers)s, %(is_replicated)s, %(version)s, %(mapping)s::jsonb)
ON CONFLICT (is_installation) DO UPDATE
SET
    host_schema = EXCLUDED.host_schema,
    has_triggers = EXCLUDED.has_triggers,
    is_replicated = EXCLUDED.is_replicated,
    version = EXCLUDED.version,
    mapping = EXCLUDED.mapping,
    installed_at = EXCLUDED.installed_at
WHERE i.host_schema <> EXCLUDED.host_schema
    OR i.has_triggers <> EXCLUDED.has_triggers
    OR i.is_replicated <> EXCLUDED.is_replicated
    OR i.version <> EXCLUDED.version
    OR i.mapping IS DISTINCT FROM EXCLUDED.mapping
