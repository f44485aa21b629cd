-- The sources in whose tables an id may occur twice: the table has no valid unique index on the column of the id alone.
-- Also views, which have no index, and sources whose id is not a column.
--
-- Parameters: sources; schemas, tables, columns (of each; the column is NULL when the id is an expression).
SELECT s.source
FROM unnest(%(sources)s::text[], %(schemas)s::text[], %(tables)s::text[], %(columns)s::text[])
    AS s (source, schema_name, table_name, column_name)
WHERE NOT EXISTS (
    SELECT
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
    WHERE n.nspname = s.schema_name
        AND t.relname = s.table_name
        AND a.attname = s.column_name
        AND i.indisunique
        AND i.indisvalid
        AND i.indnkeyatts = 1
        AND i.indpred IS NULL
)
ORDER BY s.source
