-- One row for each shard of contact_connections, in a table that is distributed in the same way. A query of this table
-- is executed once for each shard, next to the edges of that shard.
CREATE TABLE IF NOT EXISTS connection_paths.edge_shards (
    shard_key bigint PRIMARY KEY
);

COMMENT ON TABLE connection_paths.edge_shards IS 'One row for each shard of contact_connections; exists only where Citus distributes the edges';
COMMENT ON COLUMN connection_paths.edge_shards.shard_key IS 'A number whose hash is that of the shard';

REVOKE ALL ON TABLE connection_paths.edge_shards FROM PUBLIC;
