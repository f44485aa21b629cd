-- Inserts one key for each shard of the edges: the smallest number that belongs to the shard.
INSERT INTO connection_paths.edge_shards (shard_key)
SELECT min(k.shard_key)
FROM generate_series(0, 100000) AS k (shard_key)
GROUP BY get_shard_id_for_distribution_column('connection_paths.contact_connections', k.shard_key)
