-- The tables that finders read, with their indexes: sizes, rows, and the share of pages that are visible to all.
-- Rows are the planner's estimate: counting hundreds of millions of rows would take longer than the sweep.
WITH read_tables AS MATERIALIZED (
    SELECT p.relid::oid AS relid
    FROM pg_partition_tree('connection_paths.contact_connections') AS p
    WHERE p.isleaf
    UNION
    SELECT d.refobjid -- the application's tables behind the binding views
    FROM pg_rewrite AS r
    JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    JOIN pg_class AS t ON d.refclassid = 'pg_class'::regclass AND t.oid = d.refobjid AND t.relkind IN ('r', 'p')
    WHERE r.ev_class IN (
        'connection_paths.work_experiences'::regclass,
        'connection_paths.collection_members'::regclass,
        'connection_paths.known_organizations'::regclass,
        'connection_paths.live_contacts'::regclass
    )
)
SELECT
    t.oid::regclass::text AS relation,
    NULL AS definition,
    pg_table_size(t.oid) AS bytes,
    t.reltuples::bigint AS rows,
    CASE WHEN t.relpages > 0 THEN round((t.relallvisible::numeric / t.relpages), 3)::float8 END AS visible
FROM read_tables AS r
JOIN pg_class AS t ON t.oid = r.relid
UNION ALL
SELECT
    i.indexrelid::regclass::text,
    pg_get_indexdef(i.indexrelid),
    pg_relation_size(i.indexrelid),
    NULL,
    NULL
FROM read_tables AS r
JOIN pg_index AS i ON i.indrelid = r.relid
ORDER BY definition NULLS FIRST, relation
