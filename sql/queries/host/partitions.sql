-- Returns the partitions of a table at every level, the table itself not included.
--
-- Parameters: schema; table.
-- is_leaf  The partition holds rows; it is not partitioned itself.
SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, p.isleaf AND c.relkind = 'r' AS is_leaf
FROM pg_catalog.pg_class AS t
JOIN pg_catalog.pg_namespace AS h ON h.oid = t.relnamespace
CROSS JOIN LATERAL pg_partition_tree(t.oid) AS p
JOIN pg_catalog.pg_class AS c ON c.oid = p.relid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE h.nspname = %(schema)s AND t.relname = %(table)s AND p.level > 0
ORDER BY p.level, c.oid
