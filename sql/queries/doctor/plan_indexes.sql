-- Returns the tables that statements read, with their partitions at every level, and the indexes of each; a row without
-- an index for a table that has none.
--
-- Parameters: tables (oids).
-- table_name  The table of the application; for a partition, the table that it is a part of.
-- relation    The table or the partition that the index is on, and its pages.
-- name        The index.
-- whole       The partitioned index that it is a part of.
WITH relations AS (
    SELECT t.relname AS table_name, t.oid
    FROM pg_catalog.pg_class AS t
    WHERE t.oid = ANY (%(tables)s::oid[])
    UNION
    SELECT t.relname, p.relid
    FROM pg_catalog.pg_class AS t
    CROSS JOIN LATERAL pg_partition_tree(t.oid) AS p
    WHERE t.oid = ANY (%(tables)s::oid[]) AND t.relkind = 'p'
)
SELECT
    r.table_name, c.relname AS relation, c.relpages AS pages, x.relname AS name,
    (SELECT w.relname FROM pg_catalog.pg_class AS w WHERE w.oid = pg_partition_root(i.indexrelid)) AS whole
FROM relations AS r
JOIN pg_catalog.pg_class AS c ON c.oid = r.oid
LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid
LEFT JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
