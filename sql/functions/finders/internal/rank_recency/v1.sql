-- connection_paths.rank_recency(rank)
--
-- Gives the recency from which path_rank made a rank.
--
-- Parameters
--     rank  The result of path_rank.
-- Returns
--     The recency; NULL at depth 1.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search, near_paths, first_chains
-- Why
--     A contact may have edges of several kinds to the same neighbour. The smallest rank is that of the best one, so
--     the caller reads the recency of this edge from the rank.
CREATE OR REPLACE FUNCTION connection_paths.rank_recency(rank bigint)
RETURNS date
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT CASE rank_recency.rank % 4294967296 / 2
        WHEN 0 THEN NULL
        WHEN 1 THEN 'infinity'
        WHEN 2147483647 THEN '-infinity'
        ELSE '5874897-12-31'::date - (rank_recency.rank % 4294967296 / 2 - 2)::integer
    END;
END;

COMMENT ON FUNCTION connection_paths.rank_recency(bigint) IS 'The recency in a result of path_rank';

REVOKE ALL ON FUNCTION connection_paths.rank_recency(bigint) FROM PUBLIC;
