-- The indexes of a rebuild that are being built now.
--
-- Other sessions cannot see the name of an index before it is committed. So the name is read from the statement, which
-- has the form that missing_rebuild_indexes gives it.
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
