-- Whether the edges are on the workers of Citus. It needs no right on the schema.
SELECT EXISTS (
    SELECT
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'connection_paths' AND c.relname = 'edge_shards'
) AS distributed
