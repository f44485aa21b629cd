-- Returns the tables of the application that are partitions of a table of the package, and the command that detaches
-- each.
SELECT
    format('%I.%I', n.nspname, c.relname) AS name,
    format('ALTER TABLE connection_paths.%I DETACH PARTITION %I.%I;', p.relname, n.nspname, c.relname) AS detach
FROM pg_catalog.pg_inherits AS i
JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent AND p.relkind = 'p'
JOIN pg_catalog.pg_namespace AS o ON o.oid = p.relnamespace
JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'p', 'f')
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE o.nspname = 'connection_paths'
    AND (n.nspname, c.relname) <> ('connection_paths'::name, 'contact_connections_live'::name)
ORDER BY 1
