-- connection_paths.hidden_tables()
--
-- Lists the tables of the application whose rows row-level security may hide from the current role.
--
-- Parameters
--     none
-- Returns
--     One row per table: table_name is qualified and quoted. No row for a superuser, for a role with BYPASSRLS, and for
--     the owner of the tables, unless the policies are forced on the owner.
-- Errors
--     none
-- Reads
--     installation
-- Writes
--     none
-- Used by
--     require_sources, orchestrator/host/sources.py
-- Why
--     Edges are made from all rows. A role that sees fewer rows would make fewer edges, and would delete the edges of
--     the rows that it does not see. A policy hides nothing when a permissive policy for the role has USING (true), and
--     no restrictive policy applies to it. Memberships are not part of edges, so their table is not checked.
CREATE OR REPLACE FUNCTION connection_paths.hidden_tables()
RETURNS TABLE (table_name text)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
    FROM connection_paths.installation AS i
    JOIN pg_catalog.pg_namespace AS n ON n.nspname = i.host_schema
    JOIN pg_catalog.pg_class AS c
        ON c.relnamespace = n.oid AND c.relname IN ('contacts', 'organizations', 'contact_work_experiences')
    WHERE pg_catalog.row_security_active(c.oid)
        AND NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_policy AS p
            WHERE p.polrelid = c.oid
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

COMMENT ON FUNCTION connection_paths.hidden_tables() IS 'The application''s tables whose rows row-level security may hide from the current role';

REVOKE ALL ON FUNCTION connection_paths.hidden_tables() FROM PUBLIC;
