-- What the server has counted for the tables that finders read, and their indexes, since its statistics began.
--
-- heap_fetches: rows that scans of an index had to look up in the table; of an index-only scan, those on pages that are
-- not known to be visible to all. Everybody's reads are in it, not only the sweep's.
SELECT
    COALESCE(sum(io.heap_blks_hit + io.idx_blks_hit), 0)::bigint AS hits,
    COALESCE(sum(io.heap_blks_read + io.idx_blks_read), 0)::bigint AS reads,
    COALESCE(sum(t.idx_tup_fetch), 0)::bigint AS heap_fetches
FROM pg_statio_user_tables AS io
JOIN pg_stat_user_tables AS t USING (relid)
WHERE io.relid = ANY (%(tables)s::oid[])
