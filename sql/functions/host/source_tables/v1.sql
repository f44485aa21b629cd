-- connection_paths.source_tables()
--
-- Lists the four tables of the application that the package reads, each with its binding view.
--
-- Parameters
--     none
-- Returns
--     One row for each table.
--     table_name     The name of the table in this documentation, such as contacts.
--     view_name      The name of its binding view.
--     view_oid       The binding view. NULL: the view is missing.
--     table_oid      The table that the view reads. NULL: the view is missing or the table is detached.
--     table_schema   The schema of that table, or NULL.
--     relation_name  The name of that table, or NULL.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     attach_source, detach_source, hidden_tables, require_sources
-- Why
--     This is the only place in a function that names the four tables or looks up the table behind a view. It looks up
--     the views by name, so it works while a view is missing.
CREATE OR REPLACE FUNCTION connection_paths.source_tables()
RETURNS TABLE (
    table_name text, view_name text, view_oid oid, table_oid oid, table_schema text, relation_name text
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 4
BEGIN ATOMIC
    SELECT s.table_name, s.view_name, v.oid, t.oid, n.nspname::text, t.relname::text
    FROM (
        VALUES
            ('contacts'::text, 'live_contacts'::text),
            ('organizations', 'known_organizations'),
            ('contact_work_experiences', 'work_experiences'),
            ('user_contact_collections', 'collection_members')
    ) AS s (table_name, view_name)
    LEFT JOIN pg_catalog.pg_class AS v
        ON v.oid = pg_catalog.to_regclass('connection_paths.' || s.view_name) AND v.relkind = 'v'
    LEFT JOIN LATERAL (
        SELECT DISTINCT d.refobjid
        FROM pg_catalog.pg_rewrite AS r
        JOIN pg_catalog.pg_depend AS d
            ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
            AND d.objid = r.oid
            AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        JOIN pg_catalog.pg_class AS c ON c.oid = d.refobjid
        WHERE r.ev_class = v.oid
            AND c.relnamespace <> v.relnamespace -- a view may read a table of the package, too
            AND c.relkind <> 'c' -- an expression may use a part of a composite type
    ) AS b ON true
    LEFT JOIN pg_catalog.pg_class AS t ON t.oid = b.refobjid
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace;
END;

COMMENT ON FUNCTION connection_paths.source_tables() IS 'The four tables of the application that the package reads, each with its binding view';

REVOKE ALL ON FUNCTION connection_paths.source_tables() FROM PUBLIC;
