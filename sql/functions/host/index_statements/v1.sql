-- connection_paths.index_statements(table_oid)
--
-- Returns the statements that build the indexes of the package on a table of the application.
--
-- Parameters
--     table_oid  The table. Required.
-- Returns
--     An object with one key per index, its name, whose value is an array: CREATE INDEX CONCURRENTLY and COMMENT ON
--     INDEX. An empty object when the table has no index of the package.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     detach_source
CREATE OR REPLACE FUNCTION connection_paths.index_statements(table_oid oid)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own_indexes CONSTANT text[] :=
        '{idx_members_by_collection, idx_experiences_by_contact, idx_experiences_by_organization}';
BEGIN
    RETURN COALESCE(
        (
            SELECT
                jsonb_object_agg(
                    c.relname,
                    jsonb_build_array(
                        regexp_replace(pg_get_indexdef(c.oid), '^CREATE INDEX', 'CREATE INDEX CONCURRENTLY'),
                        pg_catalog.format(
                            'COMMENT ON INDEX %I.%I IS %L', n.nspname, c.relname, obj_description(c.oid, 'pg_class')
                        )
                    )
                )
            FROM pg_catalog.pg_index AS i
            JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE i.indrelid = index_statements.table_oid AND c.relname = ANY (own_indexes)
        ),
        '{}'
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.index_statements(oid) IS 'The statements that build the indexes of the package on a table of the application';

REVOKE ALL ON FUNCTION connection_paths.index_statements(oid) FROM PUBLIC;
