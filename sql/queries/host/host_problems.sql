-- Returns the reasons why the package cannot be installed for the tables of a schema, one row per problem.
--
-- Parameters: host_schema; triggers, indexes (the names of the package's triggers and indexes in that schema).
WITH required (table_name, column_name, types) AS (
    VALUES
        ('contacts'::text, 'id'::text, '{bigint}'::text[]),
        ('contacts', 'name', '{text,character varying}'),
        ('organizations', 'id', '{bigint}'),
        ('organizations', 'name', '{text,character varying}'),
        ('contact_work_experiences', 'id', '{bigint}'),
        ('contact_work_experiences', 'contact_id', '{bigint}'),
        ('contact_work_experiences', 'organization_id', '{bigint}'),
        ('contact_work_experiences', 'company_name', '{text,character varying}'),
        ('contact_work_experiences', 'date_from', '{date}'),
        ('contact_work_experiences', 'date_to', '{date}'),
        ('user_contact_collections', 'user_id', '{bigint}'),
        ('user_contact_collections', 'contact_id', '{bigint}'),
        ('user_contact_collections', 'collection_id', '{bigint}'),
        ('user_contact_collections', 'source', '{smallint,integer}')
),
found AS (
    SELECT c.oid, c.relname::text AS relname, c.relkind, c.relowner, c.relispartition
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = %(host_schema)s
)
SELECT 'it is not a schema for tables of an application'::text
WHERE %(host_schema)s IN ('connection_paths', 'pg_catalog', 'information_schema', 'pg_toast')
    OR starts_with(%(host_schema)s, 'pg_temp_') OR starts_with(%(host_schema)s, 'pg_toast_temp_')
UNION ALL
SELECT
    CASE
        WHEN f.oid IS NULL THEN format('table %%I is missing', r.table_name)
        WHEN f.relkind <> 'r' THEN format('%%I is not an ordinary table', r.table_name)
        ELSE format('table %%I belongs to %%s, and only its owner may index it', r.table_name, f.relowner::regrole)
    END
FROM (SELECT DISTINCT q.table_name FROM required AS q) AS r
LEFT JOIN found AS f ON f.relname = r.table_name
WHERE f.oid IS NULL
    OR f.relkind <> 'r'
    OR NOT pg_has_role(f.relowner, 'USAGE'::text)
UNION ALL
SELECT
    format(
        '%%I has child tables, and writes to those would not be captured: %%s',
        f.relname, string_agg(i.inhrelid::pg_catalog.regclass::text, ', ')
    )
FROM (SELECT DISTINCT q.table_name FROM required AS q) AS r
JOIN found AS f ON f.relname = r.table_name AND f.relkind = 'r'
JOIN pg_catalog.pg_inherits AS i ON i.inhparent = f.oid
GROUP BY f.relname
UNION ALL
SELECT
    format(
        '%%I is %%s of %%s, and writes through that table would not be captured',
        f.relname,
        CASE WHEN f.relispartition THEN 'a partition' ELSE 'a child table' END,
        i.inhparent::pg_catalog.regclass
    )
FROM (SELECT DISTINCT q.table_name FROM required AS q) AS r
JOIN found AS f ON f.relname = r.table_name AND f.relkind = 'r'
JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = f.oid
UNION ALL
SELECT
    CASE
        WHEN a.attname IS NULL THEN format('column %%I.%%I is missing', r.table_name, r.column_name)
        ELSE format(
            'column %%I.%%I is %%s, not %%s',
            r.table_name, r.column_name, format_type(a.atttypid, NULL), array_to_string(r.types, ' or '::text)
        )
    END
FROM required AS r
JOIN found AS f ON f.relname = r.table_name
LEFT JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = f.oid
    AND a.attname::text = r.column_name
    AND a.attnum > 0
    AND NOT a.attisdropped
WHERE a.attname IS NULL
    OR format_type(a.atttypid, NULL) <> ALL (r.types)
UNION ALL
SELECT format('table %%I has a trigger %%I that connection_paths did not create; rename it', f.relname, t.tgname)
FROM (SELECT DISTINCT q.table_name FROM required AS q) AS r
JOIN found AS f ON f.relname = r.table_name
JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = f.oid AND t.tgname::text = ANY (%(triggers)s::text[])
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname <> 'connection_paths'
UNION ALL
SELECT format(
    'an index (or another relation) %%I exists that connection_paths did not create; rename it (if it is the one of'
    || ' connection_paths, restored without its comment: COMMENT ON INDEX %%I.%%I IS ''connection_paths: restored'')',
    f.relname, %(host_schema)s::text, f.relname
)
FROM found AS f
WHERE f.relname = ANY (%(indexes)s::text[])
    AND NOT COALESCE(starts_with(obj_description(f.oid, 'pg_class'), 'connection_paths: '::text), false)
ORDER BY 1
