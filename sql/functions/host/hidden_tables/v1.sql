-- connection_paths.hidden_tables(): the application's tables of which row-level security may hide rows from this role.
--
-- Edges are made of all rows. A role that sees fewer would make fewer edges, and would delete everybody else's.
--
-- A policy hides nothing where a permissive one for this role has USING (true), and no restrictive one applies to it.
-- Memberships are not in the edges, so their table is not looked at.
--
-- Returns  the names, qualified and quoted; none for a superuser, an owner (without FORCE), or a role with BYPASSRLS.
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

COMMENT ON FUNCTION connection_paths.hidden_tables() IS 'The application''s tables of which row-level security may hide rows from this role';

REVOKE ALL ON FUNCTION connection_paths.hidden_tables() FROM PUBLIC;
