-- Returns the rights that this role lacks on some schemas and tables: a sentence, and the statement that grants it.
--
-- Parameters: schemas, tables and privileges, arrays of the same length. A table is NULL for a right on the schema.
-- A schema or a table that does not exist gives no row.
SELECT
    CASE
        WHEN w.table_name IS NULL THEN format('%%s on schema %%I', w.privilege, w.table_schema)
        ELSE format('%%s on %%I.%%I', w.privilege, w.table_schema, w.table_name)
    END AS missing,
    CASE
        WHEN w.table_name IS NULL THEN format('GRANT %%s ON SCHEMA %%I TO %%I', w.privilege, w.table_schema, current_user)
        ELSE format('GRANT %%s ON %%I.%%I TO %%I', w.privilege, w.table_schema, w.table_name, current_user)
    END AS remedy
FROM unnest(%(schemas)s::text[], %(tables)s::text[], %(privileges)s::text[])
    WITH ORDINALITY AS w (table_schema, table_name, privilege, place)
JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.table_schema
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.table_name
WHERE CASE
    WHEN w.table_name IS NULL THEN NOT has_schema_privilege(n.oid, w.privilege)
    ELSE c.oid IS NOT NULL AND NOT has_table_privilege(c.oid, w.privilege)
END
ORDER BY w.place
