-- Returns the indexes that the package expects: the table, whether the index is valid, and its size in bytes. NULLs for
-- a missing index.
--
-- Parameters: names; schemas (one for each name).
SELECT
    expected.name,
    i.indrelid::regclass::text AS table_name,
    i.indisvalid AND i.indisready AS is_valid,
    -- the size of a partitioned index is that of its parts
    COALESCE(
        (SELECT sum(pg_relation_size(p.relid)) FROM pg_partition_tree(i.indexrelid) AS p),
        pg_relation_size(i.indexrelid)
    )::bigint AS bytes
FROM unnest(%(names)s::text[], %(schemas)s::text[]) AS expected (name, schema_name)
LEFT JOIN pg_catalog.pg_class AS c
    ON c.relname = expected.name
    AND c.relnamespace = to_regnamespace(quote_ident(expected.schema_name))
LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
ORDER BY expected.name
