-- connection_paths.attach_view(view_name, view_definition, table_oid)
--
-- Makes a binding view read its table again.
--
-- Parameters
--     view_name        The binding view, without its schema. Required.
--     view_definition  The query of the view before its table was detached. Required.
--     table_oid        The table that the view is to read, for the message of an error. Required.
-- Returns
--     Nothing.
-- Errors
--     55000  The table lacks a column that the query reads, or the column has another type now.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     attach_source
-- Why
--     The types of the columns of a view cannot change. A name may be character varying now and have been text before,
--     which needed no cast. So when PostgreSQL refuses the query because of a type, a second attempt casts the names to
--     text. The view named_experiences has a collation of its own, which the cast would lose.
CREATE OR REPLACE FUNCTION connection_paths.attach_view(view_name text, view_definition text, table_oid oid)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    head text := pg_catalog.format(
        'CREATE OR REPLACE VIEW connection_paths.%I WITH (security_invoker = true) AS ', attach_view.view_name
    );
    columns text;
BEGIN
    BEGIN
        EXECUTE head || attach_view.view_definition;
        RETURN;
    EXCEPTION
        WHEN invalid_table_definition THEN
            NULL; -- another type: see below
    END;
    SELECT
        string_agg(
            pg_catalog.format(
                'd.%I%s',
                v.attname,
                CASE format_type(v.atttypid, NULL)
                    WHEN 'text' THEN '::text' || COALESCE(' COLLATE ' || n.collation, '')
                END
            ),
            ', ' ORDER BY v.attnum
        )
    INTO columns
    FROM pg_catalog.pg_attribute AS v
    CROSS JOIN LATERAL (
        SELECT NULLIF(v.attcollation::pg_catalog.regcollation::text, '"default"') AS collation
    ) AS n
    WHERE v.attrelid = to_regclass('connection_paths.' || attach_view.view_name) AND v.attnum > 0;
    EXECUTE head || pg_catalog.format('SELECT %s FROM (%s) AS d', columns, rtrim(attach_view.view_definition, ';'));
EXCEPTION
    WHEN undefined_column OR undefined_function OR invalid_table_definition OR datatype_mismatch THEN
        RAISE EXCEPTION 'table % cannot be attached: %', attach_view.table_oid::pg_catalog.regclass, SQLERRM
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'Nothing was attached. Change the table, then attach it.';
END
$function$;

COMMENT ON FUNCTION connection_paths.attach_view(text, text, oid) IS 'Makes a binding view read its table again; part of attach_source';

REVOKE ALL ON FUNCTION connection_paths.attach_view(text, text, oid) FROM PUBLIC;
