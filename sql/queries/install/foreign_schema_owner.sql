-- The owner of a schema connection_paths that somebody else may have laid out for the installer; no row: nobody, or one
-- to trust, who could do harm without it: the installer, a superuser, the owner of the database or of a host table, or
-- a group of roles made by `install --roles`.
-- Parameters: host_schema, tables (the host's).
SELECT o.rolname
FROM pg_catalog.pg_namespace AS n
JOIN pg_catalog.pg_roles AS o ON o.oid = n.nspowner
WHERE n.nspname = 'connection_paths'
    AND NOT o.rolsuper
    AND o.rolname <> current_user
    AND (o.rolcanlogin OR right(o.rolname, 6) <> '_owner')
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_database AS d WHERE d.datname = current_database() AND d.datdba = o.oid
    )
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS h ON h.oid = c.relnamespace
        WHERE h.nspname = %(host_schema)s AND c.relname = ANY (%(tables)s::text[]) AND c.relowner = o.oid
    )
