-- connection_paths.longer_rank(rank, edge_rank)
--
-- Gives the place of a chain that one more edge makes longer, among the chains of its depth.
--
-- Parameters
--     rank       The place of the shorter chain. NULL: this chain is the target alone.
--     edge_rank  The place of the edge: see the function edge_rank.
-- Returns
--     The sort key: the chain with the strongest weakest edge first, then the chain with the latest last day. A last
--     day after today counts as today. The last bit is 1. The rank of a path that the viewer can open is smaller by 1.
--     A path of the target alone has the rank 1, or 0.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search, longer_paths, next_contacts
-- Why
--     GREATEST and LEAST ignore NULL. So the first edge needs no rule of its own.
CREATE OR REPLACE FUNCTION connection_paths.longer_rank(rank bigint, edge_rank bigint)
RETURNS bigint
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        GREATEST(longer_rank.rank >> 32, longer_rank.edge_rank >> 32) << 32
        | GREATEST(
            LEAST(longer_rank.rank & 4294967295, longer_rank.edge_rank & 4294967295),
            connection_paths.edge_rank(NULL, current_date)
        );
END;

COMMENT ON FUNCTION connection_paths.longer_rank(bigint, bigint) IS 'Sort key of a chain that an edge makes longer';

REVOKE ALL ON FUNCTION connection_paths.longer_rank(bigint, bigint) FROM PUBLIC;
