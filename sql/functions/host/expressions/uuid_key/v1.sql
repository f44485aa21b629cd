-- connection_paths.uuid_key(value)
--
-- Makes an id of a uuid: a hash of 64 bits.
--
-- Parameters
--     value  The uuid. NULL: the result is NULL.
-- Returns
--     The id. Equal uuids have equal ids. Two of a million uuids have the same id with a probability of 3 in 100
--     million.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     applications, orchestrator/host/uuid_keys.py
-- Why
--     Ids of the package are bigint. Parts of a uuid are not random in every version of uuids, so they are hashed.
CREATE OR REPLACE FUNCTION connection_paths.uuid_key(value uuid)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT pg_catalog.uuid_hash_extended(uuid_key.value, 0);
END;

COMMENT ON FUNCTION connection_paths.uuid_key(uuid) IS 'An id from a uuid: a hash of 64 bits. For mappings';

REVOKE ALL ON FUNCTION connection_paths.uuid_key(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION connection_paths.uuid_key(uuid) TO PUBLIC;
