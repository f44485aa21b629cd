-- The schemas and names of all tables and views of applications.
SELECT n.nspname::text, c.relname::text
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND NOT c.relispartition
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname NOT LIKE 'pg\_%'
    AND NOT EXISTS ( -- another installation of the package
        SELECT
        FROM pg_catalog.pg_class AS o
        WHERE o.relnamespace = n.oid AND o.relname = 'contact_connections'
    )
ORDER BY n.nspname, c.relname
