-- The tables of the package and of the application that Citus manages, one row per table.
--
-- install --distributed makes the edges a distributed table, together with edge_shards and the functions that read it.
-- No row when Citus is not installed or manages none of them. A distributed table or a reference table has no rows on
-- the coordinator: finders would return nothing, and a refresh would delete correct edges.
-- ts_stat executes a query that it gets as text, so this statement is also valid where pg_dist_partition is missing.
-- Parameters: host_schema; sources (JSON: schema, NULL for the host schema, and table of each source).
SELECT format('%%I.%%I', n.nspname, c.relname) AS relation, m.management
FROM (
    SELECT split_part(x.word, ' ', 1)::oid AS oid, split_part(x.word, ' ', 2) AS management
    FROM ts_stat(
        CASE WHEN to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
            'SELECT array_to_tsvector(ARRAY[p.logicalrelid::oid::text'
            ' || CASE WHEN p.partmethod IN (''h'', ''r'', ''a'') THEN '' distributed'''
            ' WHEN p.repmodel = ''t'' THEN '' reference'' ELSE '' local'' END])'
            ' FROM pg_catalog.pg_dist_partition AS p'
        END
    ) AS x (word, documents, entries)
) AS m
JOIN pg_catalog.pg_class AS c ON c.oid = m.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'connection_paths'
    AND (
        to_regclass('connection_paths.edge_shards') IS NULL
        OR c.relname NOT IN (
            'contact_connections', 'contact_connections_live', 'contact_connections_next', 'contact_connections_old',
            'edge_shards'
        )
    )
    OR EXISTS (
        SELECT
        FROM jsonb_to_recordset(%(sources)s::jsonb) AS s ("schema" text, "table" text)
        WHERE n.nspname = COALESCE(s."schema", %(host_schema)s) AND c.relname = s."table"
    )
ORDER BY 1
