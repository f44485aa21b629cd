-- connection_paths.detach_source(table_name): lets go of a table of the application's, so that it can be altered.
--
-- PostgreSQL refuses to change the type of a column, or to drop one, while a view reads it. This replaces the binding
-- view by one with the same columns that reads nothing and raises CP010. Views and functions on top of it stay.
-- Finders that need the table, and everything that writes edges, raise that error until attach_source. The edges and
-- the triggers stay.
--
-- table_name  'contacts', 'organizations', 'contact_work_experiences' or 'user_contact_collections'
-- Returns     whether the table was attached before.
--
-- Waits for transactions that read the view, and others wait behind it: SET lock_timeout. Needs the rights of the
-- package's owner. Raises 22023 for another name, 55000 when the view is not there or reads no table.
CREATE OR REPLACE FUNCTION connection_paths.detach_source(table_name text)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own_indexes CONSTANT text[] :=
        '{idx_members_by_collection, idx_experiences_by_contact, idx_experiences_by_organization}';
    source record;
    columns text;
    grantee record;
BEGIN
    SELECT s.view_name, v.oid AS view_oid, v.relacl, t.oid AS table_oid, n.nspname::text AS table_schema
    INTO source
    FROM (
        VALUES
            ('contacts'::text, 'live_contacts'::text),
            ('organizations', 'live_organizations'),
            ('contact_work_experiences', 'work_experiences'),
            ('user_contact_collections', 'collection_members')
    ) AS s (table_name, view_name)
    LEFT JOIN pg_catalog.pg_class AS v
        ON v.oid = to_regclass('connection_paths.' || s.view_name) AND v.relkind = 'v'
    LEFT JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = v.oid
    LEFT JOIN pg_catalog.pg_depend AS d
        ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        AND d.objid = r.oid
        AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.refobjid <> v.oid
    LEFT JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid
    LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
    WHERE s.table_name = detach_source.table_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'table_name must not be %', COALESCE(quote_literal(detach_source.table_name), 'null')
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Use contacts, organizations, contact_work_experiences or user_contact_collections.';
    END IF;
    IF EXISTS (
        SELECT FROM connection_paths.detached_sources AS s WHERE s.table_name = detach_source.table_name
    ) THEN
        RETURN false;
    END IF;
    IF source.table_oid IS NULL THEN
        RAISE EXCEPTION 'view connection_paths.% reads no table', source.view_name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run orchestrator install.';
    END IF;
    IF EXISTS (
        SELECT
        FROM pg_catalog.pg_attribute AS v
        WHERE v.attrelid = source.view_oid
            AND v.attnum > 0
            AND NOT EXISTS (
                SELECT
                FROM pg_catalog.pg_attribute AS a
                WHERE a.attrelid = source.table_oid AND a.attname = v.attname AND NOT a.attisdropped
            )
    ) THEN -- the definition that is kept would name it as it is called now
        RAISE EXCEPTION 'a column of %.% was renamed', source.table_schema, detach_source.table_name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Rename it back, then detach.';
    END IF;

    INSERT INTO connection_paths.detached_sources
        (table_name, view_name, table_schema, table_oid, view_definition, triggers, indexes)
    SELECT
        detach_source.table_name,
        source.view_name,
        source.table_schema,
        source.table_oid,
        pg_get_viewdef(source.view_oid),
        ARRAY(
            SELECT
                pg_get_triggerdef(t.oid)
                || CASE
                    WHEN t.tgenabled IN ('R', 'A') THEN
                        pg_catalog.format(
                            '; ALTER TABLE %I.%I ENABLE %s TRIGGER %I',
                            source.table_schema,
                            detach_source.table_name,
                            CASE t.tgenabled WHEN 'R' THEN 'REPLICA' ELSE 'ALWAYS' END,
                            t.tgname
                        )
                    ELSE ''
                END
            FROM pg_catalog.pg_trigger AS t
            JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
            WHERE t.tgrelid = source.table_oid
                AND NOT t.tgisinternal
                AND p.pronamespace = 'connection_paths'::pg_catalog.regnamespace
        ),
        (
            SELECT
                COALESCE(
                    jsonb_object_agg(
                        c.relname,
                        jsonb_build_array(
                            regexp_replace(pg_get_indexdef(c.oid), '^CREATE INDEX', 'CREATE INDEX CONCURRENTLY'),
                            pg_catalog.format(
                                'COMMENT ON INDEX %I.%I IS %L',
                                source.table_schema, c.relname, obj_description(c.oid, 'pg_class')
                            )
                        )
                    ),
                    '{}'
                )
            FROM pg_catalog.pg_index AS i
            JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
            WHERE i.indrelid = source.table_oid AND c.relname = ANY (own_indexes)
        );

    SELECT
        string_agg(
            pg_catalog.format(
                '%I %s%s',
                a.attname,
                format_type(a.atttypid, a.atttypmod),
                CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || a.attcollation::pg_catalog.regcollation END
            ),
            ', ' ORDER BY a.attnum
        )
    INTO columns
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = source.view_oid AND a.attnum > 0 AND NOT a.attisdropped;
    EXECUTE pg_catalog.format(
        'CREATE OR REPLACE VIEW connection_paths.%I WITH (security_invoker = true) AS'
        ' SELECT * FROM connection_paths.raise_detached(%L) AS d (%s)',
        source.view_name,
        pg_catalog.format('%I.%I', source.table_schema, detach_source.table_name),
        columns
    );
    -- so that whoever may read the view gets the error that it raises, and not one about rights
    FOR grantee IN
        SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::text END AS name
        FROM aclexplode(source.relacl) AS a
        WHERE a.privilege_type = 'SELECT'
    LOOP
        EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION connection_paths.raise_detached(text) TO %s', grantee.name);
    END LOOP;
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.detach_source(text) IS 'Lets go of a table of the application, so that its columns can be altered; attach_source takes it up again';

REVOKE ALL ON FUNCTION connection_paths.detach_source(text) FROM PUBLIC;
