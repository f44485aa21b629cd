-- connection_paths.attach_source(table_name): takes up a table again that detach_source let go of.
--
-- Puts the binding view back, over whatever table has that name in that schema now; makes the triggers again if it is
-- another table, or they are gone; and queues everybody, for changes may have been missed (memberships are not in the
-- edges, so they queue nobody). It does nothing for a table that is attached.
--
-- table_name  'contacts', 'organizations', 'contact_work_experiences' or 'user_contact_collections'
-- Returns     the statements that build indexes which have gone with a column or with the table. Run each outside a
--             transaction; `orchestrator attach` does.
--
-- Waits for transactions that write the table or read the view, and others wait behind it: SET lock_timeout. Needs the
-- rights of the package's owner and, to make triggers, of the table's. Raises 55000, naming columns and types, when the
-- table is not what the package needs; it stays detached then. Raises 22023 for another table_name.
--
-- Executes statements stored in detached_sources, which only the package's owner can write.
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

    -- The view still has the columns and the types that it shall have; text may come from character varying.
    definition := source.view_definition;
    SELECT
        string_agg(
            CASE
                WHEN a.attname IS NULL THEN pg_catalog.format('column %I is missing', v.attname)
                ELSE pg_catalog.format(
                    'column %I is %s, not %s',
                    v.attname, format_type(a.atttypid, NULL), format_type(v.atttypid, NULL)
                )
            END,
            ', ' ORDER BY v.attnum
        )
    INTO problems
    FROM pg_catalog.pg_attribute AS v
    LEFT JOIN pg_catalog.pg_attribute AS a
        ON a.attrelid = host AND a.attname = v.attname AND a.attnum > 0 AND NOT a.attisdropped
    WHERE v.attrelid = to_regclass('connection_paths.' || source.view_name)
        AND v.attnum > 0
        AND (
            a.atttypid IS NULL
            OR format_type(a.atttypid, NULL) <> ALL (
                CASE format_type(v.atttypid, NULL)
                    WHEN 'text' THEN '{text,character varying}'::text[]
                    ELSE ARRAY[format_type(v.atttypid, NULL)]
                END
            )
        );
    IF problems IS NOT NULL THEN
        RAISE EXCEPTION 'table %.% cannot be attached: %', source.table_schema, source.table_name, problems
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Nothing was attached. Change the table, then attach it.';
    END IF;
    IF definition !~ '::text AS name' AND EXISTS (
        SELECT
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = host AND a.attname = 'name' AND format_type(a.atttypid, NULL) = 'character varying'
    ) THEN -- it may have been text, which needed no cast
        definition := regexp_replace(definition, '(\m(\w+\.)?name\M)', '\1::text AS name');
    END IF;
    EXECUTE pg_catalog.format(
        'CREATE OR REPLACE VIEW connection_paths.%I WITH (security_invoker = true) AS %s',
        source.view_name, definition
    );

    IF host <> source.table_oid THEN -- the other table is not read any more
        FOR statement IN
            SELECT pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass)
            FROM pg_catalog.pg_trigger AS t
            JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
            JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE t.tgrelid = source.table_oid
                AND NOT t.tgisinternal
                -- after a restore, another of the four tables may have this number
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
        -- the index of that name may have gone elsewhere with a table that was renamed
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

COMMENT ON FUNCTION connection_paths.attach_source(text) IS 'Takes up a table of the application again; returns the statements that build missing indexes';

REVOKE ALL ON FUNCTION connection_paths.attach_source(text) FROM PUBLIC;
