-- connection_paths.has_at_most(collection_id, entries)
--
-- Checks whether a collection is small enough to be read as a whole.
--
-- Parameters
--     collection_id  The collection. An unknown id has no entries.
--     entries        How many entries it may have.
-- Returns
--     True when the collection has at most so many entries. No more than these are read.
-- Errors
--     none
-- Reads
--     collection_members
-- Writes
--     none
-- Used by
--     search
CREATE OR REPLACE FUNCTION connection_paths.has_at_most(collection_id bigint, entries integer)
RETURNS boolean
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT count(*) <= has_at_most.entries
    FROM (
        SELECT
        FROM connection_paths.collection_members AS m
        WHERE m.collection_id = has_at_most.collection_id
        LIMIT has_at_most.entries + 1
    ) AS m;
END;

COMMENT ON FUNCTION connection_paths.has_at_most(bigint, integer) IS 'Whether a collection has at most so many entries';

REVOKE ALL ON FUNCTION connection_paths.has_at_most(bigint, integer) FROM PUBLIC;
