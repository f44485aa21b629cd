-- connection_paths.require_sources()
--
-- Raises an error when edges cannot be computed from the tables of the application.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     CP010  A table is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of a table from this role.
-- Reads
--     detached_sources
-- Writes
--     none
-- Used by
--     begin_refresh, create_run, rebuild_range, sync_changes
-- Why
--     Every function that writes edges calls this function first. Otherwise such an error would count as the failure of
--     one contact or one batch. On the coordinator, a distributed table of Citus has no rows. Without this check the
--     package would delete correct edges.
CREATE OR REPLACE FUNCTION connection_paths.require_sources()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    names text;
BEGIN
    SELECT string_agg(pg_catalog.format('%I.%I', d.table_schema, d.relation_name), ', ' ORDER BY d.table_name)
    INTO names
    FROM connection_paths.detached_sources AS d;
    IF names IS NOT NULL THEN
        RAISE EXCEPTION 'detached from connection_paths: %', names
            USING ERRCODE = 'CP010',
                HINT = 'Run orchestrator attach, or SELECT * FROM connection_paths.attach_source(...).';
    END IF;

    SELECT string_agg(h.table_name, ', ' ORDER BY h.table_name)
    INTO names
    FROM connection_paths.hidden_tables() AS h;
    IF names IS NOT NULL THEN
        RAISE EXCEPTION 'row-level security may hide rows of % from role %', names, current_user
            USING ERRCODE = 'CP012',
                DETAIL = 'Edges are computed from all rows, so the edges of hidden rows would be deleted.',
                HINT = 'Use the owner of the tables, a role with BYPASSRLS, or a policy for this role with USING (true).';
    END IF;

    IF to_regclass('pg_catalog.pg_dist_partition') IS NULL THEN
        RETURN;
    END IF;
    EXECUTE $query$
        SELECT string_agg(pg_catalog.format('%I.%I', n.nspname, c.relname), ', ')
        FROM pg_catalog.pg_dist_partition AS p
        JOIN pg_catalog.pg_class AS c ON c.oid = p.logicalrelid::oid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'connection_paths'
            AND (
                pg_catalog.to_regclass('connection_paths.edge_shards') IS NULL
                OR c.relname NOT IN (
                    'contact_connections', 'contact_connections_live', 'contact_connections_next',
                    'contact_connections_old', 'edge_shards'
                )
            )
            OR c.oid IN (SELECT s.table_oid FROM connection_paths.source_tables() AS s)
        $query$
    INTO names;
    IF names IS NOT NULL THEN
        RAISE EXCEPTION 'managed by Citus: %', names
            USING ERRCODE = 'CP011',
                DETAIL = 'On the coordinator such a table has no rows, so edges would be deleted.',
                HINT = 'Undistribute the table: SELECT undistribute_table(...).';
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.require_sources() IS 'Raises when a table of the application is detached, hides rows from this role, or is managed by Citus';

REVOKE ALL ON FUNCTION connection_paths.require_sources() FROM PUBLIC;
