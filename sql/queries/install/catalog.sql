-- Describes everything in some schemas as lines of text. The lines are equal on every server version. So two installs
-- are compared by their lines, and the comparison finds every difference that a caller or a DBA could meet.
--
-- The text of a function or view is a checksum. Some things depend on the server version. PostgreSQL 18 stores NOT NULL
-- also as a constraint; it is left out. Versions format the text of a view differently; so the checksum of a view is
-- that of its text without spaces and qualifiers, beside its columns and the tables that it reads.
--
-- Parameters: schemas. The caller sets search_path to pg_catalog, so that all other names have their schemas.
WITH mine AS (SELECT n.* FROM pg_catalog.pg_namespace AS n WHERE n.nspname = ANY (%(schemas)s)),
relations AS (
    SELECT
        c.*,
        format(
            '%%s %%I.%%I',
            CASE c.relkind
                WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence'
                WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'm' THEN 'materialized view' ELSE c.relkind::text
            END,
            m.nspname, c.relname
        ) AS name
    FROM pg_catalog.pg_class AS c
    JOIN mine AS m ON m.oid = c.relnamespace
    WHERE c.relkind <> 't'
),
functions AS (
    SELECT p.*, format('function %%I.%%I(%%s)', m.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name
    FROM pg_catalog.pg_proc AS p
    JOIN mine AS m ON m.oid = p.pronamespace
),
types AS (
    SELECT t.*, format('type %%I.%%I', m.nspname, t.typname) AS name
    FROM pg_catalog.pg_type AS t
    JOIN mine AS m ON m.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND EXISTS (
            SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = t.typrelid AND c.relkind = 'c'
        ))
),
owned (name, owner, acl, comment) AS (
    SELECT format('schema %%I', m.nspname), m.nspowner, COALESCE(m.nspacl, acldefault('n', m.nspowner)),
        obj_description(m.oid, 'pg_namespace')
    FROM mine AS m
    UNION ALL
    SELECT r.name, r.relowner,
        CASE WHEN r.relkind NOT IN ('i', 'I') THEN
            COALESCE(r.relacl, acldefault(CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", r.relowner))
        END,
        obj_description(r.oid, 'pg_class')
    FROM relations AS r
    UNION ALL
    SELECT f.name, f.proowner, COALESCE(f.proacl, acldefault('f', f.proowner)), obj_description(f.oid, 'pg_proc')
    FROM functions AS f
    UNION ALL
    SELECT t.name, t.typowner, COALESCE(t.typacl, acldefault('T', t.typowner)), obj_description(t.oid, 'pg_type')
    FROM types AS t
),
lines (line) AS (
    SELECT format('%%s owner %%s', o.name, o.owner::regrole) FROM owned AS o
    UNION ALL
    SELECT format('%%s comment %%s', o.name, quote_literal(o.comment)) FROM owned AS o WHERE o.comment IS NOT NULL
    UNION ALL
    SELECT format(
        '%%s grants to %%s: %%s', o.name,
        CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
        string_agg(
            a.privilege_type || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END,
            ', ' ORDER BY a.privilege_type COLLATE "C"
        )
    )
    FROM owned AS o
    CROSS JOIN LATERAL aclexplode(o.acl) AS a
    WHERE a.grantee <> o.owner -- 17 has a privilege more for owners
    GROUP BY o.name, a.grantee
    UNION ALL
    SELECT concat_ws(
        ' ', r.name, 'is',
        'persistence ' || r.relpersistence::text,
        'options ' || r.reloptions::text,
        CASE WHEN r.relkind = 'p' THEN 'partitioned by ' || pg_get_partkeydef(r.oid) END,
        CASE WHEN r.relispartition AND r.relkind = 'r' THEN
            (SELECT 'part of ' || i.inhparent::regclass::text FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = r.oid)
            || ' ' || pg_get_expr(r.relpartbound, r.oid)
        END,
        CASE WHEN r.relrowsecurity THEN 'row security' END,
        CASE WHEN r.relforcerowsecurity THEN 'forced row security' END,
        'replica identity ' || NULLIF(r.relreplident, 'd')::text
    )
    FROM relations AS r
    WHERE r.relkind NOT IN ('i', 'I')
    UNION ALL
    SELECT concat_ws(
        ' ', r.name, 'column', lpad(a.attnum::text, 2, '0'), quote_ident(a.attname),
        format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attnotnull THEN 'not null' END,
        CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity' END,
        CASE WHEN a.attgenerated <> '' THEN 'generated' END,
        'default ' || pg_get_expr(d.adbin, d.adrelid),
        'grants ' || a.attacl::text,
        'comment ' || quote_literal(col_description(r.oid, a.attnum))
    )
    FROM relations AS r
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = r.oid AND d.adnum = a.attnum
    WHERE r.relkind NOT IN ('i', 'I', 'S')
    UNION ALL
    SELECT format(
        '%%s constraint %%I %%s%%s', r.name, k.conname, pg_get_constraintdef(k.oid),
        CASE WHEN k.convalidated THEN '' ELSE ' NOT VALID' END
    )
    FROM relations AS r
    JOIN pg_catalog.pg_constraint AS k ON k.conrelid = r.oid AND k.contype <> 'n'
    UNION ALL
    SELECT concat_ws(
        ' ', r.name, 'is', pg_get_indexdef(i.indexrelid),
        CASE WHEN NOT i.indisvalid THEN 'INVALID' END,
        CASE WHEN NOT i.indisready THEN 'NOT READY' END
    )
    FROM relations AS r
    JOIN pg_catalog.pg_index AS i ON i.indexrelid = r.oid
    UNION ALL
    SELECT format(
        '%%s reads %%s', r.name,
        (
            SELECT string_agg(DISTINCT d.refobjid::regclass::text, ', ' ORDER BY d.refobjid::regclass::text)
            FROM pg_catalog.pg_rewrite AS w
            JOIN pg_catalog.pg_depend AS d
                ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
            WHERE w.ev_class = r.oid AND d.refobjid <> r.oid
        )
    )
    FROM relations AS r
    WHERE r.relkind IN ('v', 'm')
    UNION ALL
    SELECT format('%%s text %%s', r.name, md5(regexp_replace(pg_get_viewdef(r.oid), '\m[a-z_]+\.|[\s()]+', '', 'g')))
    FROM relations AS r
    WHERE r.relkind IN ('v', 'm')
    UNION ALL
    SELECT concat_ws(
        ' ', r.name, 'counts', q.seqtypid::regtype::text, 'from', q.seqstart, 'by', q.seqincrement,
        'up to', q.seqmax, CASE WHEN q.seqcycle THEN 'and begins again' END,
        (
            SELECT format('for %%s', d.refobjid::regclass)
            FROM pg_catalog.pg_depend AS d
            WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype IN ('a', 'i')
                AND d.refclassid = 'pg_class'::regclass
        )
    )
    FROM relations AS r
    JOIN pg_catalog.pg_sequence AS q ON q.seqrelid = r.oid
    UNION ALL
    SELECT format(
        'trigger %%I of %%s %%s %%s', t.tgname, r.name, CASE t.tgenabled WHEN 'O' THEN 'is' ELSE t.tgenabled::text END,
        pg_get_triggerdef(t.oid)
    )
    FROM relations AS r
    JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = r.oid AND NOT t.tgisinternal
    UNION ALL
    SELECT format(
        'policy %%I of %%s for %%s to %%s using %%s check %%s%%s', p.polname, r.name, p.polcmd, p.polroles::regrole[],
        pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid),
        CASE WHEN p.polpermissive THEN '' ELSE ' restrictive' END
    )
    FROM relations AS r
    JOIN pg_catalog.pg_policy AS p ON p.polrelid = r.oid
    UNION ALL
    SELECT format('rule %%I of %%s is %%s', w.rulename, r.name, pg_get_ruledef(w.oid))
    FROM relations AS r
    JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = r.oid AND w.rulename <> '_RETURN'
    UNION ALL
    SELECT format('%%s takes %%s', f.name, pg_get_function_arguments(f.oid)) FROM functions AS f
    UNION ALL
    SELECT format('%%s returns %%s', f.name, pg_get_function_result(f.oid)) FROM functions AS f
    UNION ALL
    SELECT concat_ws(
        ' ', f.name, 'is', l.lanname,
        CASE f.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
        CASE f.proparallel WHEN 's' THEN 'parallel safe' WHEN 'r' THEN 'parallel restricted' ELSE 'parallel unsafe' END,
        CASE WHEN f.prosecdef THEN 'SECURITY DEFINER' ELSE 'security invoker' END,
        CASE WHEN f.proisstrict THEN 'strict' END,
        CASE WHEN f.proleakproof THEN 'leakproof' END,
        'cost', f.procost, 'rows', f.prorows,
        'set ' || array_to_string(f.proconfig, '; ')
    )
    FROM functions AS f
    JOIN pg_catalog.pg_language AS l ON l.oid = f.prolang
    UNION ALL
    SELECT format('%%s text %%s', f.name, md5(COALESCE(pg_get_function_sqlbody(f.oid), f.prosrc))) FROM functions AS f
    UNION ALL
    SELECT format(
        '%%s is %%s', t.name,
        ARRAY (SELECT e.enumlabel FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)
    )
    FROM types AS t
)
SELECT l.line
FROM lines AS l
ORDER BY l.line COLLATE "C"
