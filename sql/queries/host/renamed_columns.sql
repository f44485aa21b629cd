-- Returns the columns that the package needs and that were renamed. Binding views follow a renamed column, but triggers
-- and indexes use its name.
--
-- The mapping has the names of the columns. The catalog stores the number of each column that a view reads, so its
-- current name can be found.
--
-- Parameters: host_schema, sources (see orchestrator/host/sources.py: asked).
--
-- view_name   The binding view.
-- table_name  The application's table, qualified and quoted.
-- missing     The name that the package needs.
-- present     The current name of the column; NULL if it is not certain.
SELECT
    w.view_name,
    format('%%I.%%I', w.nspname, w.relname) AS table_name,
    w.missing,
    CASE WHEN cardinality(w.others) = 1 THEN w.others[1] END AS present
FROM (
    SELECT
        v.relname::text AS view_name,
        n.nspname,
        t.relname,
        k.name AS missing,
        ARRAY(
            SELECT c.attname::text
            FROM pg_catalog.pg_depend AS d
            JOIN pg_catalog.pg_attribute AS c ON c.attrelid = d.refobjid AND c.attnum = d.refobjsubid
            WHERE d.classid = 'pg_rewrite'::regclass
                AND d.objid = r.oid
                AND d.refobjid = t.oid
                AND NOT s.columns ? c.attname::text
        ) AS others
    FROM jsonb_to_recordset(%(sources)s::jsonb) AS s (view text, "schema" text, "table" text, columns jsonb)
    CROSS JOIN LATERAL jsonb_object_keys(s.columns) AS k (name)
    JOIN pg_catalog.pg_class AS v ON v.relname = s.view AND v.relkind = 'v'
    JOIN pg_catalog.pg_namespace AS p ON p.oid = v.relnamespace AND p.nspname = 'connection_paths'
    JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid
    JOIN (
        SELECT DISTINCT d.objid, d.refobjid
        FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
    ) AS b ON b.objid = r.oid
    JOIN pg_catalog.pg_class AS t ON t.oid = b.refobjid AND t.relname = s."table"
    JOIN pg_catalog.pg_namespace AS n
        ON n.oid = t.relnamespace AND n.nspname = COALESCE(s."schema", %(host_schema)s::text)
    WHERE NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_attribute AS c
        WHERE c.attrelid = t.oid AND c.attname = k.name AND NOT c.attisdropped
    )
) AS w
ORDER BY 1, 3
