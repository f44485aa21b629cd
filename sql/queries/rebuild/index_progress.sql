-- The indexes of a rebuild that are being built now.
--
-- Until an index is committed only the statement that builds it tells others its name: it is of
-- missing_rebuild_indexes.
SELECT
    COALESCE(substring(a.query FROM ' INDEX (.+?) ON connection_paths[.]contact_connections_next USING '), 'an index') AS name,
    p.phase,
    COALESCE(
        p.tuples_done::double precision / nullif(p.tuples_total, 0),
        p.blocks_done::double precision / nullif(p.blocks_total, 0),
        0
    ) AS share
FROM pg_catalog.pg_stat_progress_create_index AS p
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = p.pid
WHERE p.relid = to_regclass('connection_paths.contact_connections_next')
ORDER BY 1
