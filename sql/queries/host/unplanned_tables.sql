-- Returns the tables that do not exist, and those of whose rows row-level security may hide some from this role.
--
-- Parameters: host_schema, tables.
SELECT w.name, c.oid IS NULL AS is_missing
FROM unnest(%(tables)s::text[]) AS w (name)
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = %(host_schema)s
LEFT JOIN pg_catalog.pg_class AS c
    ON c.relnamespace = n.oid AND c.relname = w.name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
WHERE c.oid IS NULL OR row_security_active(c.oid)
ORDER BY w.name
