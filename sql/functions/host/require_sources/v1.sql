-- connection_paths.require_sources()
--
-- Raises an error unless the current role can read the tables of the application completely.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     detached_sources
-- Writes
--     none
-- Used by
--     begin_refresh, create_run, rebuild_range, sync_changes
-- Why
--     Everything that writes edges calls this function first. Otherwise the error would look like the fault of one
--     contact or one batch. On Citus there would be no error: a distributed table is empty on the coordinator, so
--     correct edges would be deleted. A hidden row has the same effect.
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
    SELECT string_agg(pg_catalog.format('%I.%I', d.table_schema, d.table_name), ', ' ORDER BY d.table_name)
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
                DETAIL = 'Edges are made of all rows, so edges of the rows that are hidden would be deleted.',
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
            OR EXISTS (
                SELECT
                FROM pg_catalog.pg_class AS v
                JOIN pg_catalog.pg_namespace AS o ON o.oid = v.relnamespace
                JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid
                JOIN pg_catalog.pg_depend AS d
                    ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
                WHERE o.nspname = 'connection_paths'
                    AND v.relkind = 'v'
                    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND d.refobjid = c.oid
            )
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

COMMENT ON FUNCTION connection_paths.require_sources() IS 'Raises unless the tables of the application are attached, show all their rows to this role, and are not managed by Citus';

REVOKE ALL ON FUNCTION connection_paths.require_sources() FROM PUBLIC;
