-- connection_paths.attach_source(table_name)
--
-- Attaches a table of the application again, after detach_source.
--
-- Parameters
--     table_name  The source: contacts, organizations, contact_work_experiences or user_contact_collections, whatever
--                 the name of its table. Required.
-- Returns
--     The statements that build the missing indexes of the package: those that were dropped with a column or with the
--     table. Execute each outside a transaction, as `orchestrator attach` does. No row when no index is missing, or
--     when the table is not detached.
-- Errors
--     22023  table_name is none of the four.
--     55000  The table is missing or has child tables, or is another partitioned table than before, or lacks a column
--            that the package needs, or such a column has another type. The table stays detached.
-- Reads
--     named_experiences
-- Writes
--     detached_sources
-- Used by
--     operators, orchestrator/detaching/detaching.py
-- Why
--     Afterwards the binding view reads the table that has this name now; it may be another table than before. Missing
--     triggers are created again. The triggers may have missed changes while the table was detached, so every contact
--     is queued. user_contact_collections is an exception, because edges do not depend on it.
--
--     The function waits for transactions that write the table or read the view, and later transactions wait for it. So
--     set lock_timeout. The function needs the rights of the package's owner and, to create triggers, those of the
--     table's owner. It executes statements that are stored in detached_sources, which only the package's owner can
--     write.
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
    statement text;
BEGIN
    IF NOT EXISTS (
        SELECT FROM connection_paths.source_tables() AS s WHERE s.table_name = attach_source.table_name
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
        AND c.relname = source.relation_name
        AND CASE c.relkind
            WHEN 'r' THEN
                NOT EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE c.oid IN (i.inhrelid, i.inhparent))
            WHEN 'p' THEN c.oid = source.table_oid -- a new one has neither indexes nor triggers on its partitions
            ELSE c.relkind IN ('v', 'm', 'f') AND source.triggers = '{}' AND source.indexes = '{}'
        END;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no ordinary table %.% without child tables', source.table_schema, source.relation_name
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Create it, then attach.';
    END IF;

    PERFORM connection_paths.attach_view(source.view_name, source.view_definition, host);
    IF source.named_definition IS NOT NULL AND to_regclass('connection_paths.named_experiences') IS NOT NULL THEN
        PERFORM connection_paths.attach_view('named_experiences', source.named_definition, host);
    END IF;

    IF host <> source.table_oid THEN -- the package no longer reads the table that was detached
        FOR statement IN
            SELECT pg_catalog.format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass)
            FROM pg_catalog.pg_trigger AS t
            JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
            JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
            JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE t.tgrelid = source.table_oid
                AND NOT t.tgisinternal
                -- after a restore, another table that has these triggers may have this oid
                AND t.tgrelid NOT IN (
                    SELECT o.table_oid FROM connection_paths.source_tables() AS o WHERE o.table_oid IS NOT NULL
                )
                AND (n.nspname, c.relname) NOT IN (
                    SELECT d.table_schema, d.relation_name FROM connection_paths.detached_sources AS d
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
        -- A renamed table may still have the index of that name.
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

COMMENT ON FUNCTION connection_paths.attach_source(text) IS 'Attaches a table of the application again; returns the statements that build missing indexes';

REVOKE ALL ON FUNCTION connection_paths.attach_source(text) FROM PUBLIC;
