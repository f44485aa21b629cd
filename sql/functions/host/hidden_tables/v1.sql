-- connection_paths.hidden_tables()
--
-- Lists the tables of the application whose rows row-level security may hide from the current role.
--
-- Parameters
--     none
-- Returns
--     One row for each table: table_name is its name with the schema, quoted where necessary. No row for a superuser,
--     for an owner of the tables (unless FORCE ROW LEVEL SECURITY is set), and for a role with BYPASSRLS.
--     user_contact_collections is not checked, because edges do not depend on it.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     require_sources, orchestrator/host/sources.py, sql/queries/host/may_write_edges.sql
-- Why
--     Edges are computed from all rows. A role that cannot see some rows would delete the edges of these rows.
--     Policies hide nothing when a permissive policy for the role has USING (true) and no restrictive policy applies to
--     the role.
CREATE OR REPLACE FUNCTION connection_paths.hidden_tables()
RETURNS TABLE (table_name text)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT quote_ident(s.table_schema) || '.' || quote_ident(s.relation_name)
    FROM connection_paths.source_tables() AS s
    WHERE s.table_name <> 'user_contact_collections'
        AND s.table_oid IS NOT NULL
        AND pg_catalog.row_security_active(s.table_oid)
        AND NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_policy AS p
            WHERE p.polrelid = s.table_oid
                AND p.polcmd IN ('r', '*')
                AND EXISTS (
                    SELECT
                    FROM unnest(p.polroles) AS r (id)
                    WHERE CASE r.id WHEN 0 THEN true ELSE pg_catalog.pg_has_role(r.id, 'USAGE') END
                )
            HAVING bool_or(p.polpermissive AND pg_catalog.pg_get_expr(p.polqual, p.polrelid) = 'true')
                AND NOT bool_or(NOT p.polpermissive)
        );
END;

COMMENT ON FUNCTION connection_paths.hidden_tables() IS 'The tables of the application whose rows row-level security may hide from this role';

REVOKE ALL ON FUNCTION connection_paths.hidden_tables() FROM PUBLIC;
