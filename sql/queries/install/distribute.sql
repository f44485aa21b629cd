-- Makes contact_connections a distributed table, and edge_shards one whose shards are beside those of it.
-- Parameters: shards, how many.
SELECT create_distributed_table(
    'connection_paths.contact_connections', 'contact_a_id', colocate_with => 'none', shard_count => %(shards)s::integer
), create_distributed_table(
    'connection_paths.edge_shards', 'shard_key', colocate_with => 'connection_paths.contact_connections'
)
