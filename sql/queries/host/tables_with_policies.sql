-- Returns the tables of whose rows row-level security may hide some from this role.
--
-- Parameters: schemas and tables, arrays of the same length.
SELECT format('%%I.%%I', n.nspname, c.relname)
FROM unnest(%(schemas)s::text[], %(tables)s::text[]) AS w (table_schema, table_name)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.table_schema
JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.table_name
WHERE row_security_active(c.oid)
ORDER BY 1
