-- Returns the package's indexes on the application's tables, in any schema, and other indexes that have the same names
-- in the schema of the table.
--
-- Parameters: names (of the indexes); schemas, tables (of the table of each); new, old (the suffix of an index that is
-- being built, and of one that was replaced);
-- parts (how the name of an index of a partition begins).
--
-- is_taken     The index has the name, but not the mark: a comment that begins with 'connection_paths: '.
-- is_in_place  The index has the name and is on the application's table.
SELECT
    e.name AS known_as,
    n.nspname,
    c.relname,
    t.relname AS table_name,
    format('%%I.%%I', n.nspname, c.relname) AS identity,
    c.relname = e.name AND NOT m.is_marked AS is_taken,
    c.relname = e.name AND n.nspname = e.schema_name AND t.relname = e.table_name AND t.relnamespace = n.oid
        AS is_in_place,
    i.indisvalid AND i.indisready AS is_valid,
    c.relkind = 'I' AS is_partitioned
FROM unnest(%(names)s::text[], %(schemas)s::text[], %(tables)s::text[], %(parts)s::text[])
    AS e (name, schema_name, table_name, part)
JOIN pg_catalog.pg_class AS c
    ON c.relkind IN ('i', 'I')
    AND NOT c.relispartition
    AND (
        c.relname IN (e.name, e.name || %(new)s::text, e.name || %(old)s::text)
        OR c.relname ~ ('^' || e.part || '[0-9a-f]{8}_[0-9]+$')
    )
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
CROSS JOIN LATERAL (
    SELECT
        COALESCE(starts_with(obj_description(c.oid, 'pg_class'), 'connection_paths: '::text), false) AS is_marked
) AS m
WHERE c.relname <> e.name
    OR m.is_marked
    OR n.nspname = e.schema_name
ORDER BY e.name, n.nspname, c.relname
