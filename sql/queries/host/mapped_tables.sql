-- Returns the kind of each relation that a source names, and the types of its columns; no row for one that is missing.
--
-- Parameters: names (of the sources); schemas; tables.
SELECT
    s.name,
    c.relkind::text AS kind,
    (
        SELECT COALESCE(jsonb_object_agg(a.attname, format_type(a.atttypid, NULL)), '{}')
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS types
FROM unnest(%(names)s::text[], %(schemas)s::text[], %(tables)s::text[]) AS s (name, schema_name, table_name)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.schema_name
JOIN pg_catalog.pg_class AS c
    ON c.relnamespace = n.oid AND c.relname = s.table_name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
