-- Returns the functions that row-level policies call when rows are read, and that may look up names in search_path. It
-- checks the policies of some tables, and of the package's tables that say who may be asked.
--
-- It follows functions, operators, views and SQL-standard function bodies, because the catalog records what these
-- depend on. It does not look into a body that is text: such a function finds its names when it is called.
--
-- Parameters: tables (oids).
--
-- path      The search_path that the function should have: the schema of the function and that of the table.
-- is_sql    PostgreSQL can check whether the function finds its names, without calling it.
WITH RECURSIVE used AS (
    SELECT p.oid AS policy_oid, d.refclassid AS class_oid, d.refobjid AS object_oid
    FROM pg_catalog.pg_policy AS p
    JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid AND c.relrowsecurity
    JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_policy'::regclass AND d.objid = p.oid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE (
            c.oid = ANY (%(tables)s::oid[])
            OR (
                n.nspname = 'connection_paths'
                AND c.relname IN ('do_not_ask', 'do_not_ask_users', 'introduction_requests', 'introduction_limits')
            )
        )
        AND p.polcmd IN ('r', '*')
        AND d.refclassid IN (
            'pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass, 'pg_catalog.pg_class'::regclass
        )
        AND d.refobjid <> p.polrelid
    UNION
    SELECT u.policy_oid, n.class_oid, n.object_oid
    FROM used AS u
    CROSS JOIN LATERAL (
        SELECT d.refclassid AS class_oid, d.refobjid AS object_oid
        FROM pg_catalog.pg_depend AS d
        WHERE d.classid = u.class_oid
            AND d.objid = u.object_oid
            AND u.class_oid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass)
        UNION ALL
        SELECT d.refclassid, d.refobjid
        FROM pg_catalog.pg_rewrite AS r
        JOIN pg_catalog.pg_depend AS d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
        WHERE u.class_oid = 'pg_catalog.pg_class'::regclass AND r.ev_class = u.object_oid
    ) AS n
    WHERE n.class_oid IN (
        'pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass, 'pg_catalog.pg_class'::regclass
    )
)
SELECT DISTINCT
    format('%%I.%%I', s.nspname, t.relname) AS table_name,
    quote_ident(p.polname) AS policy,
    f.oid AS function_oid,
    f.oid::regprocedure::text AS function,
    CASE WHEN f.pronamespace = t.relnamespace THEN quote_ident(s.nspname)
        ELSE concat_ws(', ', quote_ident(fs.nspname), quote_ident(s.nspname))
    END AS path,
    l.lanname = 'sql' AS is_sql
FROM used AS u
JOIN pg_catalog.pg_policy AS p ON p.oid = u.policy_oid
JOIN pg_catalog.pg_class AS t ON t.oid = p.polrelid
JOIN pg_catalog.pg_namespace AS s ON s.oid = t.relnamespace
JOIN pg_catalog.pg_proc AS f ON f.oid = u.object_oid AND u.class_oid = 'pg_catalog.pg_proc'::regclass
JOIN pg_catalog.pg_namespace AS fs ON fs.oid = f.pronamespace
JOIN pg_catalog.pg_language AS l ON l.oid = f.prolang
WHERE fs.nspname <> 'pg_catalog'
    AND l.lanname NOT IN ('internal', 'c')
    AND f.prosqlbody IS NULL
    AND NOT EXISTS (
        SELECT
        FROM unnest(f.proconfig) AS g (setting)
        WHERE starts_with(g.setting, 'search_path=')
    )
ORDER BY table_name, policy, function
