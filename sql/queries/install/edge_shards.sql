-- How many shards the distributed edges have, and for how many of them edge_shards has exactly one row.
SELECT count(*) AS shards, count(*) FILTER (WHERE k.keys = 1) AS shards_with_key
FROM pg_catalog.pg_dist_shard AS s
LEFT JOIN (
    SELECT get_shard_id_for_distribution_column('connection_paths.contact_connections', e.shard_key) AS shardid, count(*) AS keys
    FROM (SELECT e.shard_key FROM connection_paths.edge_shards AS e OFFSET 0) AS e
    GROUP BY 1
) AS k ON k.shardid = s.shardid
WHERE s.logicalrelid = 'connection_paths.contact_connections'::regclass
