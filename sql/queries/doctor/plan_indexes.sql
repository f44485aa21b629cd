-- Returns the indexes of some tables, one row per index: its table, the pages of that table, and the partitioned index
-- that it is a part of.
--
-- Parameters: tables (oids).
SELECT c.relname AS name, t.relname AS table_name, t.relpages AS pages, whole.relname AS whole
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
LEFT JOIN pg_catalog.pg_inherits AS p ON p.inhrelid = c.oid
LEFT JOIN pg_catalog.pg_class AS whole ON whole.oid = p.inhparent
WHERE i.indrelid = ANY (%(tables)s::oid[])
