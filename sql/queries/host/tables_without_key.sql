-- The tables of contacts and of organizations in which an id may occur twice, with the binding view of each: the table
-- has no valid unique index on id alone.
SELECT format('%I.%I', s.table_schema, s.relation_name) AS table_name, s.view_name
FROM connection_paths.source_tables() AS s
WHERE s.table_name IN ('contacts', 'organizations')
    AND s.table_oid IS NOT NULL
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = s.table_oid
            AND i.indisunique
            AND i.indisvalid
            AND i.indpred IS NULL
            AND i.indnkeyatts = 1
            AND a.attname = 'id'
    )
ORDER BY s.view_name
