-- Returns the problems that keep commands from reading the application's tables or from queueing their changes, one row
-- per problem. No row when there is none.
--
-- Every command may run this query: it works when any part of the package is missing, and it needs few rights. It
-- reports problems whether or not install can repair them, for example detached tables, child tables and subscriptions.
--
-- install/installation_problems.sql answers another question: which steps of the migrations must install run again? It
-- compares the database with what install would create, so it needs the lists of those objects. It skips detached
-- tables, and does not report what only a person can repair. Both queries check views and triggers, and differ in this:
--
-- * Here, triggers are expected if the last install chose so, or if any trigger is left. There, the caller decides,
--   because an install may change that choice.
-- * Here, the problem of each trigger is described. There, one row per table is enough, because one step creates all
--   triggers of a table.
-- * There, a view must also check the rights of its caller (security_invoker).
--
-- Parameters
--     host_schema, sources  See orchestrator/host/sources.py: asked.
--     has_triggers          Whether the last install chose to capture changes.
--     is_replicated         Whether it chose to capture changes that logical replication writes.
-- Columns
--     kind     'view'           A binding view is missing, or reads another table than that of its source.
--              'detached'       A table is detached.
--              'table'          A table of the application is missing.
--              'trigger'        Triggers are missing, do not fire, or call another function.
--              'stray trigger'  A table that the package does not read has triggers of the package.
--              'inheritance'    A table has child tables, is a child table, or is a partition.
--              'subscription'   A subscription writes to a table whose triggers do not fire for it.
--              'queue'          The queue is missing, or the triggers may not write to it.
--     object   The view or table, qualified and quoted.
--     problem  A sentence.
--     remedy   'install', 'attach', 'replicated' (install --replicated), or 'person' (a person must decide).
WITH sources AS (
    SELECT
        s.source, s.view AS view_name, s."schema" AS schema_name, s."table" AS table_name,
        CASE
            WHEN s.captured AND s.source = 'contact_work_experiences' THEN 'queue_changed_experiences'
            WHEN s.captured THEN 'queue_added_or_removed'
        END AS function_name
    FROM jsonb_to_recordset(%(sources)s::jsonb)
        AS s (source text, view text, "schema" text, "table" text, captured boolean)
),
-- The relations of the package, from the catalog: to_regclass would need rights in the schema.
ours AS (
    SELECT c.oid, c.relname::text AS name, c.relkind
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'connection_paths'
),
functions AS (
    SELECT p.oid, p.proname::text AS name, p.proowner
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname = 'connection_paths'
),
bound AS (
    SELECT
        v.name AS view_name,
        array_agg(t.oid) FILTER (WHERE t.oid IS NOT NULL) AS oids,
        string_agg(quote_ident(n.nspname) || '.' || quote_ident(t.relname), ' and ') AS names,
        bool_or(f.oid IS NOT NULL) AS is_detached
    FROM ours AS v
    JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid
    JOIN (
        SELECT DISTINCT d.objid, d.refclassid, d.refobjid
        FROM pg_catalog.pg_depend AS d
        WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    ) AS d ON d.objid = r.oid
    LEFT JOIN pg_catalog.pg_class AS t
        ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND t.oid = d.refobjid
        AND t.relkind <> 'c' -- an expression may use a part of a composite type
        AND NOT EXISTS (SELECT FROM ours AS o WHERE o.oid = t.oid) -- a view may read a table of the package, too
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
    LEFT JOIN functions AS f
        ON d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND f.oid = d.refobjid AND f.name = 'raise_detached'
    WHERE v.relkind = 'v'
    GROUP BY v.name
),
tables AS (
    SELECT
        s.source,
        s.view_name,
        s.function_name,
        format('%%I.%%I', s.schema_name, s.table_name) AS name,
        t.oid,
        v.oid AS view_oid,
        v.relkind = 'v' AS is_view,
        COALESCE(b.is_detached, false) AS is_detached,
        COALESCE(b.oids, '{}') AS bound_oids,
        b.names AS bound_names
    FROM sources AS s
    LEFT JOIN ours AS v ON v.name = s.view_name
    LEFT JOIN bound AS b ON b.view_name = s.view_name
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.schema_name
    LEFT JOIN pg_catalog.pg_class AS t
        ON t.relnamespace = n.oid AND t.relname = s.table_name AND t.relkind IN ('r', 'p', 'v', 'm', 'f')
),
-- Each table with its partitions at every level: a statement that writes to a partition fires only its own triggers.
parts AS (
    SELECT t.source, t.oid, t.name, t.function_name, t.is_detached, false AS is_partition
    FROM tables AS t
    WHERE t.oid IS NOT NULL
    UNION ALL
    SELECT t.source, c.oid, format('%%I.%%I', n.nspname, c.relname), t.function_name, t.is_detached, true
    FROM tables AS t
    CROSS JOIN LATERAL pg_partition_tree(t.oid) AS p
    JOIN pg_catalog.pg_class AS c ON c.oid = p.relid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE p.level > 0
),
own_triggers AS (
    SELECT t.tgrelid, t.tgname::text AS name, t.tgenabled, f.name AS function_name
    FROM pg_catalog.pg_trigger AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
    LEFT JOIN functions AS f ON f.oid = t.tgfoid
    WHERE NOT t.tgisinternal
        AND (t.tgparentid = 0 OR t.tgname = 'connection_paths_replicated') -- a partition has a copy of a row trigger
        AND NOT EXISTS (SELECT FROM ours AS o WHERE o.oid = c.oid)
        AND (
            f.name IN ('queue_added_or_removed', 'queue_changed_experiences', 'queue_replicated_row')
            OR t.tgname IN (
                'connection_paths_inserted', 'connection_paths_updated', 'connection_paths_deleted',
                'connection_paths_truncated', 'connection_paths_replicated'
            )
        )
),
-- Changes must be captured if the last install chose so, or if any trigger of the package is left.
capture AS (
    SELECT
        count(*) > 0 OR %(has_triggers)s::boolean AS is_on,
        COALESCE(bool_or(t.name = 'connection_paths_replicated'), false) OR %(is_replicated)s::boolean AS is_replicated
    FROM own_triggers AS t
    WHERE t.function_name IS NOT NULL
),
trigger_states AS (
    SELECT
        t.oid,
        e.name,
        CASE
            WHEN o.name IS NULL THEN 'missing'
            WHEN o.function_name IS DISTINCT FROM
                CASE e.name WHEN 'connection_paths_replicated' THEN 'queue_replicated_row' ELSE t.function_name END
                THEN 'calling another function'
            WHEN o.tgenabled = 'D' THEN 'disabled'
            WHEN e.name = 'connection_paths_replicated' AND o.tgenabled = 'O' THEN 'not enabled for replicas'
            WHEN e.name <> 'connection_paths_replicated' AND o.tgenabled = 'R' THEN 'enabled for replicas only'
            WHEN e.name = 'connection_paths_truncated' AND c.is_replicated AND o.tgenabled <> 'A'
                THEN 'not enabled for replicas'
        END AS problem
    FROM parts AS t
    CROSS JOIN capture AS c
    CROSS JOIN unnest('{
        connection_paths_inserted, connection_paths_updated, connection_paths_deleted, connection_paths_truncated,
        connection_paths_replicated
    }'::text[]) AS e (name)
    LEFT JOIN own_triggers AS o ON o.tgrelid = t.oid AND o.name = e.name
    WHERE c.is_on
        AND t.function_name IS NOT NULL
        AND (c.is_replicated OR e.name <> 'connection_paths_replicated')
)
SELECT 'table' AS kind, t.name AS object, format('table %%s is missing', t.name) AS problem, 'person' AS remedy
FROM tables AS t
WHERE t.oid IS NULL AND NOT t.is_detached
UNION ALL
SELECT
    'view', format('connection_paths.%%I', t.view_name),
    CASE
        WHEN t.view_oid IS NULL THEN format('view connection_paths.%%I is missing', t.view_name)
        WHEN NOT t.is_view THEN format('connection_paths.%%I is not a view', t.view_name)
        ELSE format('view connection_paths.%%I reads %%s, not %%s', t.view_name, COALESCE(t.bound_names, 'no table'), t.name)
    END,
    CASE WHEN t.oid IS NULL THEN 'person' ELSE 'install' END
FROM tables AS t
WHERE NOT t.is_detached
    AND (t.view_oid IS NULL OR NOT t.is_view OR t.bound_oids IS DISTINCT FROM ARRAY[t.oid])
UNION ALL
SELECT 'detached', t.name, format('table %%s is detached: its rows are not read', t.name), 'attach'
FROM tables AS t
WHERE t.is_detached
UNION ALL
SELECT
    'trigger', t.name,
    format('triggers of %%s do not capture every change: %%s', t.name, string_agg(s.name || ' ' || s.problem, ', ')),
    CASE WHEN t.is_detached THEN 'attach' WHEN c.is_replicated THEN 'replicated' ELSE 'install' END
FROM trigger_states AS s
JOIN parts AS t ON t.oid = s.oid
CROSS JOIN capture AS c
WHERE s.problem IS NOT NULL
GROUP BY t.name, t.is_detached, c.is_replicated
UNION ALL
SELECT
    'stray trigger', format('%%I.%%I', n.nspname, c.relname),
    format(
        'table %%I.%%I is not read, but has triggers of connection_paths: %%s',
        n.nspname, c.relname, string_agg(format('%%I', o.name), ', ' ORDER BY o.name)
    ),
    'install'
FROM own_triggers AS o
JOIN pg_catalog.pg_class AS c ON c.oid = o.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE o.function_name IS NOT NULL
    AND NOT EXISTS (SELECT FROM parts AS t WHERE t.oid = o.tgrelid AND t.function_name IS NOT NULL)
    AND NOT EXISTS ( -- writes to a child table are writes to its parent
        SELECT FROM pg_catalog.pg_inherits AS i JOIN tables AS t ON t.oid = i.inhparent WHERE i.inhrelid = o.tgrelid
    )
GROUP BY n.nspname, c.relname
UNION ALL
SELECT
    'inheritance', t.name,
    format('%%s has child tables, and writes to them are not captured: %%s', t.name, string_agg(i.inhrelid::regclass::text, ', ')),
    'person'
FROM tables AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.oid AND c.relkind = 'r' -- partitions have triggers of their own
JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid
GROUP BY t.name
UNION ALL
SELECT
    'inheritance', t.name,
    format(
        '%%s is %%s of %%s, and writes through that table are not captured',
        t.name, CASE WHEN c.relispartition THEN 'a partition' ELSE 'a child table' END, i.inhparent::regclass
    ),
    'person'
FROM tables AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.oid
JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = t.oid
UNION ALL
SELECT
    'subscription', t.name,
    format('subscription %%I writes to %%s, and triggers do not fire for it', s.subname, t.name),
    'replicated'
FROM tables AS t
CROSS JOIN capture AS c
JOIN pg_catalog.pg_subscription_rel AS r ON r.srrelid = t.oid
JOIN pg_catalog.pg_subscription AS s ON s.oid = r.srsubid
WHERE c.is_on
    AND NOT c.is_replicated
    AND t.function_name IS NOT NULL
UNION ALL
SELECT
    'queue', format('connection_paths.%%I', q.name),
    CASE
        WHEN o.oid IS NULL THEN format('table connection_paths.%%I is missing: changes are not captured', q.name)
        ELSE format(
            'role %%s owns the trigger functions and may not write to connection_paths.%%I: changes are not captured',
            string_agg(DISTINCT f.proowner::regrole::text, ', '), q.name
        )
    END,
    'install'
FROM unnest('{contact_changes, capture_failures}'::text[]) AS q (name)
JOIN functions AS f ON f.name IN ('queue_added_or_removed', 'queue_changed_experiences', 'queue_replicated_row')
CROSS JOIN capture AS c
LEFT JOIN ours AS o ON o.name = q.name AND o.relkind = 'r'
WHERE c.is_on
    AND (
        o.oid IS NULL
        OR NOT has_table_privilege(f.proowner, o.oid, 'INSERT')
        OR NOT has_schema_privilege(f.proowner, 'connection_paths', 'USAGE')
    )
GROUP BY q.name, o.oid
ORDER BY 1, 2, 3
