-- connection_paths.rank_strength(rank)
--
-- Gives the strength from which path_rank made a rank.
--
-- Parameters
--     rank  The result of path_rank.
-- Returns
--     The strength; 100 where path_rank got none.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     first_chains
CREATE OR REPLACE FUNCTION connection_paths.rank_strength(rank bigint)
RETURNS smallint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT (100 - rank_strength.rank / 4294967296)::smallint;
END;

COMMENT ON FUNCTION connection_paths.rank_strength(bigint) IS 'The strength in a result of path_rank';

REVOKE ALL ON FUNCTION connection_paths.rank_strength(bigint) FROM PUBLIC;
