-- How many pages a table has, with its partitions. Parameters: schema, table.
SELECT (COALESCE(sum(pg_relation_size(r.oid)), 0) / current_setting('block_size')::bigint)::bigint AS pages
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = %(table)s
CROSS JOIN LATERAL (
    SELECT c.oid
    UNION
    SELECT p.relid FROM pg_partition_tree(c.oid) AS p WHERE c.relkind = 'p'
) AS r (oid)
WHERE n.nspname = %(schema)s
