-- Every table and view that could be a source, with its columns, its primary key and its foreign keys.
--
-- Parameters: schemas (the schemas to look at; NULL: all of applications).
-- row_estimate: about how many rows the table and its partitions have; NULL: not known.
-- columns: the names, types (of a domain, the type below it) and whether NULL is refused, in order.
-- key: the columns of the primary key.
-- references: for each foreign key of one column, the column, and the schema and name of the other table.
WITH RECURSIVE types (oid, base) AS (
    SELECT t.oid, t.oid
    FROM pg_catalog.pg_type AS t
    WHERE t.typtype <> 'd'
    UNION ALL
    SELECT d.oid, t.base
    FROM types AS t
    JOIN pg_catalog.pg_type AS d ON d.typbasetype = t.oid AND d.typtype = 'd'
)
SELECT
    n.nspname::text,
    c.relname::text,
    c.relkind::text,
    CASE
        WHEN c.relkind <> 'p' THEN NULLIF(GREATEST(c.reltuples, 0), 0)::bigint
        ELSE (
            SELECT NULLIF(sum(GREATEST(t.reltuples, 0)), 0)::bigint
            FROM pg_partition_tree(c.oid) AS p
            JOIN pg_catalog.pg_class AS t ON t.oid = p.relid
            WHERE p.isleaf
        )
    END AS row_estimate,
    (
        SELECT COALESCE(jsonb_agg(
            jsonb_build_array(a.attname, format_type(t.base, NULL), a.attnotnull) ORDER BY a.attnum
        ), '[]')
        FROM pg_catalog.pg_attribute AS a
        JOIN types AS t ON t.oid = a.atttypid
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS columns,
    (
        SELECT COALESCE(jsonb_agg(a.attname), '[]')
        FROM pg_catalog.pg_index AS i
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = c.oid AND i.indisprimary
    ) AS key,
    (
        SELECT COALESCE(jsonb_agg(jsonb_build_array(a.attname, m.nspname, o.relname) ORDER BY a.attnum), '[]')
        FROM pg_catalog.pg_constraint AS f
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
        JOIN pg_catalog.pg_class AS o ON o.oid = f.confrelid
        JOIN pg_catalog.pg_namespace AS m ON m.oid = o.relnamespace
        WHERE f.conrelid = c.oid AND f.contype = 'f' AND cardinality(f.conkey) = 1
    ) AS references
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND NOT c.relispartition
    AND (%(schemas)s::text[] IS NULL OR n.nspname = ANY (%(schemas)s::text[]))
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname NOT LIKE 'pg\_%%'
    AND NOT EXISTS ( -- another installation of the package
        SELECT
        FROM pg_catalog.pg_class AS o
        WHERE o.relnamespace = n.oid AND o.relname = 'contact_connections'
    )
ORDER BY n.nspname, c.relname
