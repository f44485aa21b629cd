-- Removes what exists only while the edges are distributed. Whatever is missing already is no error.
DROP FUNCTION IF EXISTS connection_paths.stored_edges;
DROP FUNCTION IF EXISTS connection_paths.stored_pairs;
DROP FUNCTION IF EXISTS connection_paths.shard_edges;
DROP TABLE IF EXISTS connection_paths.edge_shards;
