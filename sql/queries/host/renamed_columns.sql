-- Returns the columns that the package needs and that were renamed. Binding views follow a renamed column, but triggers
-- and indexes use its name.
--
-- A column of a binding view has the name of the column that it reads. The catalog stores the number of that column, so
-- its current name can be found.
--
-- view_name   The binding view.
-- table_name  The application's table, qualified and quoted.
-- missing     The name that the package needs.
-- present     The current name of the column; NULL if it is not certain.
SELECT
    w.view_name,
    format('%I.%I', w.nspname, w.relname) AS table_name,
    w.missing,
    CASE WHEN cardinality(w.others) = 1 THEN w.others[1] END AS present
FROM (
    SELECT
        v.relname::text AS view_name,
        n.nspname,
        t.relname,
        a.attname::text AS missing,
        ARRAY(
            SELECT c.attname::text
            FROM pg_catalog.pg_depend AS d
            JOIN pg_catalog.pg_attribute AS c ON c.attrelid = d.refobjid AND c.attnum = d.refobjsubid
            WHERE d.classid = 'pg_rewrite'::regclass
                AND d.objid = r.oid
                AND d.refobjid = t.oid
                AND c.attname <> 'source'
                AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS o WHERE o.attrelid = v.oid AND o.attname = c.attname)
        ) AS others
    FROM pg_catalog.pg_class AS v
    JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid
    JOIN (
        SELECT DISTINCT d.objid, d.refobjid
        FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
    ) AS s ON s.objid = r.oid AND s.refobjid <> v.oid
    JOIN pg_catalog.pg_class AS t ON t.oid = s.refobjid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = v.oid AND a.attnum > 0
    WHERE v.relnamespace = (SELECT p.oid FROM pg_catalog.pg_namespace AS p WHERE p.nspname = 'connection_paths')
        AND v.relname IN ('live_contacts', 'known_organizations', 'work_experiences', 'collection_members')
        AND v.relkind = 'v'
        AND NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_attribute AS c
            WHERE c.attrelid = t.oid AND c.attname = a.attname AND NOT c.attisdropped
        )
) AS w
ORDER BY 1, 3
