-- Returns the size of the edge table, and how many more connections the server accepts.
--
-- The sizes of all partitions are added. The count of rows is the server's estimate.
WITH parts AS (
    SELECT c.oid, c.reltuples
    FROM pg_partition_tree(to_regclass('connection_paths.contact_connections')) AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = t.relid
    WHERE t.isleaf
)
SELECT
    COALESCE(sum(greatest(p.reltuples, 0)), 0)::bigint AS edges_now,
    COALESCE(sum(pg_total_relation_size(p.oid)), 0)::bigint AS bytes_now,
    current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer
        - COALESCE(current_setting('reserved_connections', true)::integer, 0) -- PostgreSQL 16
        - (SELECT sum(d.numbackends) FROM pg_catalog.pg_stat_database AS d)::integer AS connections_free
FROM parts AS p
