-- Returns the reasons why the package cannot be installed for the tables of a schema, one row per problem.
--
-- Parameters: host_schema; sources (JSON, see orchestrator/host/sources.py: asked); triggers, indexes (the names of the
-- package's triggers and indexes on these tables).
WITH required AS (
    SELECT s."table" AS table_name, COALESCE(s."schema", %(host_schema)s::text) AS schema_name, s.captured, s.columns
    FROM jsonb_to_recordset(%(sources)s::jsonb) AS s ("schema" text, "table" text, captured boolean, columns jsonb)
),
found AS (
    SELECT
        r.schema_name, r.table_name, r.captured, c.oid, c.relkind, c.relispartition,
        CASE r.schema_name
            WHEN %(host_schema)s::text THEN quote_ident(r.table_name)
            ELSE quote_ident(r.schema_name) || '.' || quote_ident(r.table_name)
        END AS name
    FROM required AS r
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = r.schema_name
    LEFT JOIN pg_catalog.pg_class AS c
        ON c.relnamespace = n.oid AND c.relname = r.table_name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
)
SELECT 'it is not a schema for tables of an application'::text
WHERE %(host_schema)s IN ('connection_paths', 'pg_catalog', 'information_schema', 'pg_toast')
    OR starts_with(%(host_schema)s, 'pg_temp_') OR starts_with(%(host_schema)s, 'pg_toast_temp_')
UNION ALL
SELECT format('table %%s is missing', f.name)
FROM found AS f
WHERE f.oid IS NULL
UNION ALL
SELECT
    format(
        '%%s has child tables, and writes to those would not be captured: %%s',
        f.name, string_agg(i.inhrelid::pg_catalog.regclass::text, ', ')
    )
FROM found AS f
JOIN pg_catalog.pg_inherits AS i ON i.inhparent = f.oid
WHERE f.relkind = 'r'
GROUP BY f.name
UNION ALL
SELECT
    format(
        '%%s is %%s of %%s, and writes through that table would not be captured',
        f.name,
        CASE WHEN f.relispartition THEN 'a partition' ELSE 'a child table' END,
        i.inhparent::pg_catalog.regclass
    )
FROM found AS f
JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = f.oid
WHERE f.relkind IN ('r', 'p')
UNION ALL
SELECT
    CASE
        WHEN a.attname IS NULL THEN format('column %%s.%%I is missing', f.name, e.key)
        ELSE format(
            'column %%s.%%I is %%s, not %%s',
            f.name, e.key, format_type(a.atttypid, NULL),
            (SELECT string_agg(t.name, ' or '::text) FROM jsonb_array_elements_text(e.value) AS t (name))
        )
    END
FROM required AS r
JOIN found AS f ON f.schema_name = r.schema_name AND f.table_name = r.table_name AND f.oid IS NOT NULL
CROSS JOIN LATERAL jsonb_each(r.columns) AS e (key, value)
LEFT JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = f.oid
    AND a.attname::text = e.key
    AND a.attnum > 0
    AND NOT a.attisdropped
WHERE a.attname IS NULL
    OR (e.value <> 'null'::jsonb AND NOT e.value ? format_type(a.atttypid, NULL))
UNION ALL
SELECT format('table %%s has a trigger %%I that connection_paths did not create; rename it', f.name, t.tgname)
FROM found AS f
JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = f.oid AND t.tgname::text = ANY (%(triggers)s::text[])
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname <> 'connection_paths'
UNION ALL
SELECT format(
    'an index (or another relation) %%I exists that connection_paths did not create; rename it (if it is the one of'
    || ' connection_paths, restored without its comment: COMMENT ON INDEX %%I.%%I IS ''connection_paths: restored'')',
    c.relname, n.nspname, c.relname
)
FROM (SELECT DISTINCT r.schema_name FROM required AS r) AS s
JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.schema_name
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = ANY (%(indexes)s::text[])
WHERE NOT COALESCE(starts_with(obj_description(c.oid, 'pg_class'), 'connection_paths: '::text), false)
ORDER BY 1
