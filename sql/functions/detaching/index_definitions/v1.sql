-- connection_paths.index_definitions(table_oid)
--
-- Returns the statements that build the indexes of the package on a table of the application.
--
-- Parameters
--     table_oid  The table. Required.
-- Returns
--     A JSON object. Each key is the name of an index. Its value is an array of two statements: CREATE INDEX
--     CONCURRENTLY, then COMMENT ON INDEX. An empty object when the table has none. The index of a partitioned table
--     cannot be built concurrently.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     detach_source
CREATE OR REPLACE FUNCTION connection_paths.index_definitions(table_oid oid)
RETURNS jsonb
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT
        COALESCE(
            jsonb_object_agg(
                c.relname,
                jsonb_build_array(
                    CASE c.relkind
                        WHEN 'I' THEN regexp_replace(pg_catalog.pg_get_indexdef(c.oid), ' ON ONLY ', ' ON ')
                        ELSE regexp_replace(pg_catalog.pg_get_indexdef(c.oid), '^CREATE INDEX', 'CREATE INDEX CONCURRENTLY')
                    END,
                    pg_catalog.format(
                        'COMMENT ON INDEX %I.%I IS %L',
                        n.nspname, c.relname, pg_catalog.obj_description(c.oid, 'pg_class')
                    )
                )
            ),
            '{}'
        )
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE i.indrelid = index_definitions.table_oid
        AND c.relname = ANY (
            '{
                idx_members_by_collection, idx_experiences_by_contact, idx_experiences_by_organization,
                idx_named_by_contact, idx_named_by_name,
                idx_contacts_by_id, idx_organizations_by_id
            }'::text[]
        );
END;

COMMENT ON FUNCTION connection_paths.index_definitions(oid) IS 'The statements that build the package''s indexes on a table of the application';

REVOKE ALL ON FUNCTION connection_paths.index_definitions(oid) FROM PUBLIC;
