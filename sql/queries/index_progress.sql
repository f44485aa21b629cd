-- The index of a rebuild that is being built now, if one is.
SELECT
    p.index_relid::regclass::text AS name,
    p.phase,
    COALESCE(
        p.tuples_done::double precision / nullif(p.tuples_total, 0),
        p.blocks_done::double precision / nullif(p.blocks_total, 0),
        0
    ) AS share
FROM pg_catalog.pg_stat_progress_create_index AS p
WHERE p.relid = to_regclass('connection_paths.contact_connections_next')
LIMIT 1
