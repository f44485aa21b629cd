-- Returns the owner of the schema connection_paths if that role could have put code into it to harm the installer. No
-- row if the schema does not exist, or if its owner has the power to do harm anyway: the installer, a superuser, the
-- owner of the database or of a table of the application, or a group role created by `install --roles`.
--
-- Parameters: host_schema; sources (JSON: schema, NULL for the host schema, and table of each source).
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
        FROM jsonb_to_recordset(%(sources)s::jsonb) AS s ("schema" text, "table" text)
        JOIN pg_catalog.pg_class AS c ON c.relname = s."table"
        JOIN pg_catalog.pg_namespace AS h ON h.oid = c.relnamespace
        WHERE h.nspname = COALESCE(s."schema", %(host_schema)s) AND c.relowner = o.oid
    )
