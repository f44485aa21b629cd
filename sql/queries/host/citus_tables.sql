-- The tables of the package, and those of the application that it reads, that Citus manages: a row per table.
--
-- No row: there is no Citus, or it manages none of them. A distributed table or a reference table is empty on the
-- coordinator, so finders would return nothing, and recomputation would delete correct edges.
-- ts_stat executes a query that it is given as text, so the statement is valid without pg_dist_partition, too.
-- Parameter: host_schema.
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
    OR (
        n.nspname = %(host_schema)s
        AND c.relname IN ('contacts', 'organizations', 'contact_work_experiences', 'user_contact_collections')
    )
    OR EXISTS (
        SELECT
        FROM pg_catalog.pg_class AS v
        JOIN pg_catalog.pg_namespace AS o ON o.oid = v.relnamespace
        JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid
        JOIN pg_catalog.pg_depend AS d
            ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
        WHERE o.nspname = 'connection_paths'
            AND v.relkind = 'v'
            AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND d.refobjid = c.oid
    )
ORDER BY 1
