-- Returns the rights that a role lacks on some objects: each in words, and the statement that grants it.
--
-- Parameters: role_name; kinds, schemas, names and privileges, arrays of the same length. A kind is 'database' (this
-- one), 'schema', 'table', or 'owner' for the rights of a table's owner.
-- A schema or a table that does not exist gives no row. A table of a superuser would have to change its owner, because
-- nobody should become a member of a superuser.
WITH wanted AS (
    SELECT
        w.kind,
        w.privilege,
        w.place,
        n.oid AS schema_oid,
        c.oid AS table_oid,
        c.relowner,
        r.rolname AS role_name,
        CASE w.kind
            WHEN 'database' THEN format('%%I', current_database())
            WHEN 'schema' THEN format('%%I', w.schema_name)
            ELSE format('%%I.%%I', w.schema_name, w.name)
        END AS object
    FROM unnest(%(kinds)s::text[], %(schemas)s::text[], %(names)s::text[], %(privileges)s::text[])
        WITH ORDINALITY AS w (kind, schema_name, name, privilege, place)
    JOIN pg_catalog.pg_roles AS r ON r.rolname = %(role_name)s
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema_name
    LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name
)
SELECT
    CASE
        WHEN w.kind = 'owner' THEN 'the rights of the owner of ' || w.object
        WHEN w.kind = 'table' THEN w.privilege || ' on ' || w.object
        ELSE format('%%s on %%s %%s', w.privilege, w.kind, w.object)
    END AS missing,
    CASE
        WHEN w.kind <> 'owner' THEN format('GRANT %%s ON %%s %%s TO %%I', w.privilege, upper(w.kind), w.object, w.role_name)
        WHEN o.rolsuper THEN format('ALTER TABLE %%s OWNER TO %%I', w.object, w.role_name)
        ELSE format('GRANT %%I TO %%I', o.rolname, w.role_name)
    END AS remedy
FROM wanted AS w
LEFT JOIN pg_catalog.pg_roles AS o ON o.oid = w.relowner
WHERE CASE w.kind
    WHEN 'database' THEN NOT has_database_privilege(w.role_name, current_database(), w.privilege)
    WHEN 'schema' THEN w.schema_oid IS NOT NULL AND NOT has_schema_privilege(w.role_name, w.schema_oid, w.privilege)
    WHEN 'table' THEN w.table_oid IS NOT NULL AND NOT has_table_privilege(w.role_name, w.table_oid, w.privilege)
    ELSE w.table_oid IS NOT NULL AND NOT pg_has_role(w.role_name, w.relowner, 'USAGE')
END
ORDER BY w.place
