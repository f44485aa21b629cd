-- Returns whether a valid unique index makes the column id of a table unique.
--
-- Parameters: schema; table.
SELECT EXISTS (
    SELECT
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
    WHERE n.nspname = %(schema)s
        AND t.relname = %(table)s
        AND a.attname = 'id'
        AND i.indisunique
        AND i.indisvalid
        AND i.indnkeyatts = 1
        AND i.indpred IS NULL
)
