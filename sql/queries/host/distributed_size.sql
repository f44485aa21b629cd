-- The size of the edges on the workers of Citus: rows, as the workers estimate them, and bytes with indexes.
SELECT
    COALESCE(sum(CASE WHEN r.success THEN r.result::double precision END), 0)::bigint AS edges,
    citus_total_relation_size('connection_paths.contact_connections_live') AS bytes
FROM run_command_on_shards(
    'connection_paths.contact_connections_live',
    'SELECT greatest(c.reltuples, 0) FROM pg_catalog.pg_class AS c WHERE c.oid = ''%s''::regclass'
) AS r
