-- connection_paths.attach_source(table_name)
--
-- Attaches a table that detach_source has detached, and queues every contact.
--
-- Parameters
--     table_name  'contacts', 'organizations', 'contact_work_experiences' or 'user_contact_collections'. Required.
-- Returns
--     The statements that build the indexes of the package that the table no longer has. Run each of them outside a
--     transaction; the command orchestrator attach does. No row when the table was not detached.
-- Errors
--     22023  table_name is NULL or another name.
--     55000  There is no ordinary table of that name without child tables, or its columns are not those that the
--            package needs. The table stays detached.
-- Reads
--     detached_sources
-- Writes
--     detached_sources
-- Used by
--     orchestrator/host/detaching.py, operators
-- Why
--     The function creates the binding view again, over the table that has the name and the schema now. It creates the
--     triggers again when they are missing, for example because it is another table. Changes may have been missed, so
--     every contact is queued; not for user_contact_collections, because memberships are not part of edges.
--
--     The function waits for transactions that write the table or read the view, and other sessions wait behind it: set
--     lock_timeout. The caller needs the rights of the owner of the package, and of the owner of the table to create
--     triggers. The function executes statements that are stored in detached_sources. Only the owner of the package can
--     write them.
CREATE OR REPLACE FUNCTION connection_paths.attach_source(table_name text)
RETURNS SETOF text
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 10
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    source record;
    host oid;
    problems text;
    definition text;
    statement text;
BEGIN
    IF attach_source.table_name IS NULL OR attach_source.table_name NOT IN (
        'contacts', 'organizations', 'contact_work_experiences', 'user_contact_collections'
    ) THEN
        RAISE EXCEPTION 'table_name must not be %', COALESCE(quote_literal(attach_source.table_name), 'null')
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Use contacts, organizations, contact_work_experiences or user_contact_collections.';
    END IF;
    DELETE FROM connection_paths.detached_sources AS s
    WHERE s.table_name = attach_source.table_name
    RETURNING * INTO source;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    SELECT c.oid
    INTO host
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = source.table_schema
        AND c.relname = source.table_name
        AND c.relkind = 'r'
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE c.oid IN (i.inhrelid, i.inhparent));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no ordinary table %.% without child tables', source.table_schema, source.table_name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Create it, then attach.';
    END IF;

    problems := connection_paths.column_problems(host, source.view_name);
    IF problems IS NOT NULL THEN
        RAISE EXCEPTION 'table %.% cannot be attached: %', source.table_schema, source.table_name, problems
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Nothing was attached. Change the table, then attach it.';
    END IF;
    definition := source.view_definition;
    IF definition !~ '::text AS name' AND EXISTS (
        SELECT
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = host AND a.attname = 'name' AND format_type(a.atttypid, NULL) = 'character varying'
    ) THEN -- the column was text, which needed no cast
        definition := regexp_replace(definition, '(\m(\w+\.)?name\M)', '\1::text AS name');
    END IF;
    EXECUTE pg_catalog.format(
        'CREATE OR REPLACE VIEW connection_paths.%I WITH (security_invoker = true) AS %s',
        source.view_name, definition
    );

    IF host <> source.table_oid THEN -- the package no longer reads the other table
        FOR statement IN
            SELECT pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass)
            FROM pg_catalog.pg_trigger AS t
            JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
            JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE t.tgrelid = source.table_oid
                AND NOT t.tgisinternal
                -- after a restore, this oid may belong to another of the four tables
                AND (n.nspname, c.relname) NOT IN (
                    (source.table_schema, 'contacts'),
                    (source.table_schema, 'organizations'),
                    (source.table_schema, 'contact_work_experiences')
                )
                AND p.pronamespace = 'connection_paths'::pg_catalog.regnamespace
        LOOP
            EXECUTE statement;
        END LOOP;
    END IF;
    FOREACH statement IN ARRAY source.triggers LOOP
        IF NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_trigger AS t
            WHERE t.tgrelid = host AND t.tgname = substring(statement FROM '^CREATE TRIGGER (\w+) ')
        ) THEN
            EXECUTE statement;
        END IF;
    END LOOP;
    IF attach_source.table_name <> 'user_contact_collections' THEN
        PERFORM connection_paths.queue_everyone();
    END IF;

    RETURN QUERY
    SELECT s.statement
    FROM jsonb_each(source.indexes) AS i (name, statements)
    CROSS JOIN LATERAL (
        -- a table that was renamed may have taken the index of that name with it
        SELECT pg_catalog.format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, c.relname) AS statement, 0 AS place
        FROM pg_catalog.pg_index AS x
        JOIN pg_catalog.pg_class AS c ON c.oid = x.indexrelid
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE x.indrelid = source.table_oid AND c.relname = i.name AND n.nspname = source.table_schema
        UNION ALL
        SELECT e.statement, e.place FROM jsonb_array_elements_text(i.statements) WITH ORDINALITY AS e (statement, place)
    ) AS s
    WHERE NOT EXISTS (
            SELECT
            FROM pg_catalog.pg_index AS x
            JOIN pg_catalog.pg_class AS c ON c.oid = x.indexrelid
            WHERE x.indrelid = host AND c.relname = i.name
        )
    ORDER BY i.name, s.place;
END
$function$;

COMMENT ON FUNCTION connection_paths.attach_source(text) IS 'Attaches a detached table of the application again; returns the statements that build missing indexes';

REVOKE ALL ON FUNCTION connection_paths.attach_source(text) FROM PUBLIC;
