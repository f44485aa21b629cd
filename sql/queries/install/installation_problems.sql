-- Returns what install must create again or remove, one row per object. No row when nothing is missing. Reads the
-- catalogs only.
--
-- Each row names a step of the migrations that repairs the object. host/binding_problems.sql answers another question,
-- for all commands: what keeps the package from reading tables and from queueing changes? It reports also what install
-- cannot repair (a detached table, child tables, a subscription), and it knows nothing of the package's own objects and
-- indexes. Its header lists how the two check views and triggers.
--
-- Parameters
--     host_schema, sources    See orchestrator/host/sources.py: asked.
--     objects                 JSON: kind, name and step of each table, view, index, sequence, type and trigger that
--                             belongs to the package; also the table_name of each trigger.
--     empty_views             The binding views that read no table, because no source is mapped to them.
--     indexes, index_sources  The package's indexes on the application's tables, and the source of each.
--     wanted_indexes          Those of them that the tables need.
--     triggers                The names of the triggers of a table whose changes are captured.
--     new, old                The suffix of an index that is being built, and of an index that was replaced.
--     parts                   For each of the indexes: how the name of the index of a partition begins.
-- Columns
--     kind    'object', 'table', 'view', 'partition', 'index', 'triggers', 'stray trigger' or 'stray index'.
--     name    The argument of the step: a migration, a view, an index or a table.
--     what    A sentence.
--     object  The name of the object, if kind is 'object'.
WITH ours AS (
    SELECT c.oid, c.relname::text AS relname, c.relkind, c.reloptions, c.relispartition
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'connection_paths'
),
host AS (
    SELECT s.source, s.view, s.captured, n.nspname, c.oid, format('%%I.%%I', s."schema", s."table") AS identity
    FROM jsonb_to_recordset(%(sources)s::jsonb)
        AS s (source text, view text, "schema" text, "table" text, captured boolean)
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = s."schema"
    LEFT JOIN pg_catalog.pg_class AS c
        ON c.relnamespace = n.oid AND c.relname = s."table" AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
),
-- Each table with its partitions at every level: a statement that writes to a partition fires only its own triggers.
parts AS (
    SELECT h.source, h.oid, h.identity
    FROM host AS h
    WHERE h.oid IS NOT NULL
    UNION ALL
    SELECT h.source, c.oid, format('%%I.%%I', n.nspname, c.relname)
    FROM host AS h
    CROSS JOIN LATERAL pg_partition_tree(h.oid) AS p
    JOIN pg_catalog.pg_class AS c ON c.oid = p.relid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE p.level > 0
),
bound AS (
    SELECT DISTINCT o.relname, d.refobjid AS table_oid
    FROM ours AS o
    JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = o.oid
    JOIN pg_catalog.pg_depend AS d
        ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid
    WHERE o.relkind = 'v'
        AND t.relkind <> 'c' -- an expression may use a part of a composite type
        AND d.refobjid NOT IN (SELECT p.oid FROM ours AS p) -- a view may read a table of the package
),
-- The view of a detached table reads no table; `orchestrator attach` creates its view, indexes and triggers again.
detached AS (
    SELECT o.relname
    FROM ours AS o
    JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = o.oid
    JOIN pg_catalog.pg_depend AS d
        ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_proc'::regclass
    JOIN pg_catalog.pg_proc AS p ON p.oid = d.refobjid
    WHERE o.relkind = 'v' AND p.proname = 'raise_detached'
),
sources AS (
    SELECT
        h.view AS name, h.source, h.oid AS table_oid, h.identity,
        EXISTS (SELECT FROM detached AS d WHERE d.relname = h.view) AS is_detached
    FROM host AS h
    UNION ALL
    SELECT e.name, NULL, NULL, NULL, false
    FROM unnest(%(empty_views)s::text[]) AS e (name)
),
fires AS (
    SELECT t.tgrelid, t.tgname::text AS tgname
    FROM pg_catalog.pg_trigger AS t
    JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname = 'connection_paths'
        AND CASE
            WHEN t.tgname = 'connection_paths_replicated' THEN t.tgenabled IN ('R', 'A')
            WHEN t.tgname = 'connection_paths_truncated' AND 'connection_paths_replicated' = ANY (%(triggers)s::text[])
                THEN t.tgenabled = 'A'
            ELSE t.tgenabled IN ('O', 'A')
        END
),
marked AS (
    SELECT
        e.name, e.source, c.oid, c.relname::text AS relname, n.nspname::text AS nspname, i.indrelid,
        format('%%I.%%I', n.nspname, c.relname) AS identity,
        i.indisvalid AND i.indisready AS is_valid,
        c.relname::text = e.name
            AND COALESCE(starts_with(obj_description(c.oid, 'pg_class'), 'connection_paths: '::text), false) AS is_marked
    FROM unnest(%(indexes)s::text[], %(index_sources)s::text[], %(parts)s::text[]) AS e (name, source, part)
    JOIN pg_catalog.pg_class AS c
        ON c.relkind IN ('i', 'I')
        AND NOT c.relispartition
        AND (
            c.relname::text IN (e.name, e.name || %(new)s::text, e.name || %(old)s::text)
            OR c.relname ~ ('^' || e.part || '[0-9a-f]{8}_[0-9]+$')
        )
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
)
SELECT 'object'::text AS kind, w.step AS name,
    format('%%s %%s%%s is missing', w.kind, w.name, ' of ' || w.table_name) AS what, w.name AS object
FROM jsonb_to_recordset(%(objects)s::jsonb) AS w (kind text, name text, table_name text, step text)
WHERE CASE
    WHEN w.kind = 'type' THEN NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_type AS t
        JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
        WHERE n.nspname = 'connection_paths' AND t.typname::text = w.name
    )
    WHEN w.kind = 'trigger' THEN NOT EXISTS (
        SELECT
        FROM ours AS o
        JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = o.oid
        WHERE t.tgname::text = w.name AND o.relname = w.table_name
    )
    ELSE NOT EXISTS (SELECT FROM ours AS o WHERE o.relname = w.name)
END
UNION ALL
SELECT
    CASE WHEN v.source IS NOT NULL AND v.table_oid IS NULL THEN 'table' ELSE 'view' END, v.name,
    CASE
        WHEN v.source IS NOT NULL AND v.table_oid IS NULL
        THEN format('table %%s, which view %%s should read, is missing', v.identity, v.name)
        WHEN o.oid IS NULL THEN format('view %%s is missing', v.name)
        ELSE format(
            'view %%s reads %%s, not %%s',
            v.name,
            COALESCE((SELECT string_agg(b.table_oid::regclass::text, ', ') FROM bound AS b WHERE b.relname = v.name), 'nothing'),
            COALESCE(v.identity, 'nothing')
        )
    END,
    NULL
FROM sources AS v
LEFT JOIN ours AS o ON o.relname = v.name AND o.relkind = 'v'
WHERE NOT v.is_detached
    AND (
        o.oid IS NULL
        OR (
            v.source IS NOT NULL
            AND NOT EXISTS (SELECT FROM bound AS b WHERE b.relname = v.name AND b.table_oid = v.table_oid)
        )
        OR EXISTS (SELECT FROM bound AS b WHERE b.relname = v.name AND b.table_oid IS DISTINCT FROM v.table_oid)
    )
UNION ALL
-- Without security_invoker, a caller sees all rows that the owner of the view may see.
SELECT
    CASE WHEN s.name IS NULL THEN 'object' ELSE 'view' END, COALESCE(s.name, w.step),
    format('view %%s does not check the rights of its caller (security_invoker)', o.relname), o.relname
FROM ours AS o
LEFT JOIN sources AS s ON s.name = o.relname
LEFT JOIN jsonb_to_recordset(%(objects)s::jsonb) AS w (kind text, name text, step text)
    ON w.kind = 'view' AND w.name = o.relname
WHERE o.relkind = 'v'
    AND (s.name IS NOT NULL OR w.name IS NOT NULL)
    AND s.is_detached IS NOT TRUE
    AND NOT EXISTS (
        SELECT
        FROM pg_options_to_table(o.reloptions) AS p
        WHERE p.option_name = 'security_invoker' AND p.option_value::boolean
    )
UNION ALL
SELECT 'partition', o.relname, 'table contact_connections_live is not a partition of contact_connections', o.relname
FROM ours AS o
WHERE o.relname = 'contact_connections_live' AND NOT o.relispartition
UNION ALL
SELECT
    'index', e.name,
    CASE
        WHEN count(m.oid) FILTER (WHERE m.indrelid = h.oid AND m.is_marked AND m.nspname = h.nspname) > 0
        THEN format('index %%s is not valid', e.name)
        ELSE format('index %%s is missing on %%s', e.name, h.identity)
    END,
    NULL
FROM unnest(%(indexes)s::text[], %(index_sources)s::text[]) AS e (name, source)
JOIN host AS h ON h.source = e.source AND h.oid IS NOT NULL
JOIN sources AS s ON s.source = e.source AND NOT s.is_detached
LEFT JOIN marked AS m ON m.name = e.name
WHERE e.name = ANY (%(wanted_indexes)s::text[])
GROUP BY e.name, h.identity
HAVING count(m.oid) FILTER (
    WHERE m.indrelid = h.oid AND m.is_marked AND m.is_valid AND m.nspname = h.nspname
) = 0
UNION ALL
SELECT 'stray index', m.name, format('index %%s is left over', m.identity), NULL
FROM marked AS m
LEFT JOIN host AS h ON h.source = m.source
WHERE CASE
    WHEN m.relname <> m.name THEN true
    ELSE m.is_marked AND (
        h.oid IS DISTINCT FROM m.indrelid OR m.nspname <> h.nspname OR m.name <> ALL (%(wanted_indexes)s::text[])
    )
END
UNION ALL
SELECT
    'triggers', h.source,
    format('triggers of %%s are missing or disabled: %%s', p.identity, string_agg(t.name, ', ' ORDER BY t.name)),
    NULL
FROM host AS h
JOIN sources AS s ON s.source = h.source AND NOT s.is_detached
JOIN parts AS p ON p.source = h.source
CROSS JOIN unnest(%(triggers)s::text[]) AS t (name)
WHERE h.captured
    AND NOT EXISTS (SELECT FROM fires AS f WHERE f.tgrelid = p.oid AND f.tgname = t.name)
GROUP BY h.source, p.identity
UNION ALL
SELECT
    'stray trigger', format('%%I.%%I', n.nspname, c.relname),
    format('table %%I.%%I, which the package does not read, has triggers of connection_paths', n.nspname, c.relname),
    NULL
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace AS o ON o.oid = p.pronamespace
JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE o.nspname = 'connection_paths'
    AND n.nspname <> 'connection_paths'
    AND starts_with(t.tgname::text, 'connection_paths_'::text)
    AND NOT t.tgisinternal
    AND t.tgparentid = 0
    AND NOT EXISTS (SELECT FROM parts AS h WHERE h.oid = c.oid)
    AND NOT EXISTS ( -- writes to a child table are writes to its parent
        SELECT FROM pg_catalog.pg_inherits AS i JOIN host AS h ON h.oid = i.inhparent WHERE i.inhrelid = c.oid
    )
GROUP BY n.nspname, c.relname
ORDER BY 1, 2, 3
