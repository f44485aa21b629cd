-- The tables that finders read, with their indexes, sizes, rows and how much of each is known to be visible to all.
-- Parameter: tables. Rows are the planner's estimate: counting hundreds of millions is no part of a sweep.
SELECT
    t.oid::regclass::text AS relation,
    NULL AS definition,
    pg_table_size(t.oid) AS bytes,
    t.reltuples::bigint AS rows,
    CASE WHEN t.relpages > 0 THEN round((t.relallvisible::numeric / t.relpages), 3)::float8 END AS visible
FROM pg_class AS t
WHERE t.oid = ANY (%(tables)s::oid[])
UNION ALL
SELECT
    i.indexrelid::regclass::text,
    pg_get_indexdef(i.indexrelid),
    pg_relation_size(i.indexrelid),
    NULL,
    NULL
FROM pg_index AS i
WHERE i.indrelid = ANY (%(tables)s::oid[])
ORDER BY definition NULLS FIRST, relation
