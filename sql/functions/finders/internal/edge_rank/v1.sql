-- connection_paths.edge_rank(strength, date_to)
--
-- Gives the place of an edge in the order of a search: the smaller result comes first.
--
-- Parameters
--     strength  The strength of the edge. NULL where the order is by recency.
--     date_to   The last day of the edge; NULL: it goes on.
-- Returns
--     The sort key: the greatest strength first, then the latest last day, and an edge that goes on before all, also
--     before one that ends at infinity. The upper 32 bits hold the strength, the lower 32 the day. The last bit is 1.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     near_members, all_members, front_edges, longer_rank
-- Why
--     Only this function and longer_rank know the order of edges and paths. One number sorts ten times as fast as an
--     array.
CREATE OR REPLACE FUNCTION connection_paths.edge_rank(strength smallint, date_to date)
RETURNS bigint
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        COALESCE(100 - edge_rank.strength, 0) * 4294967296
        + 2 * CASE -- days before the last possible date, plus 2; infinite dates cannot be subtracted
            WHEN edge_rank.date_to = '-infinity' THEN 2147483647
            WHEN edge_rank.date_to < 'infinity' THEN '5874897-12-31'::date - edge_rank.date_to + 2
            WHEN edge_rank.date_to IS NOT NULL THEN 1
            ELSE 0
        END::bigint
        + 1;
END;

COMMENT ON FUNCTION connection_paths.edge_rank(smallint, date) IS 'Sort key of an edge in a search';

REVOKE ALL ON FUNCTION connection_paths.edge_rank(smallint, date) FROM PUBLIC;
