-- connection_paths.attached_definition(view_name, view_definition, table_oid)
--
-- Returns the definition of a binding view over a table, after it has checked that the table has the right columns.
--
-- Parameters
--     view_name        The binding view, without its schema. The table needs the columns of this view. Required.
--     view_definition  The query of the view before its table was detached. Required.
--     table_oid        The table that the view is to read. Required.
-- Returns
--     The query of the view. When the column name of the table is character varying, the query casts it to text.
-- Errors
--     55000  A column of the view is missing in the table or has another type there.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     attach_source
CREATE OR REPLACE FUNCTION connection_paths.attached_definition(view_name text, view_definition text, table_oid oid)
RETURNS text
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    problems text;
BEGIN
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
        ON a.attrelid = attached_definition.table_oid
        AND a.attname = v.attname
        AND a.attnum > 0
        AND NOT a.attisdropped
    WHERE v.attrelid = to_regclass('connection_paths.' || attached_definition.view_name)
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
        RAISE EXCEPTION 'table % cannot be attached: %', attached_definition.table_oid::pg_catalog.regclass, problems
            USING ERRCODE = 'object_not_in_prerequisite_state',
                HINT = 'Nothing was attached. Change the table, then attach it.';
    END IF;
    IF attached_definition.view_definition !~ '::text AS name' AND EXISTS (
        SELECT
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = attached_definition.table_oid
            AND a.attname = 'name'
            AND format_type(a.atttypid, NULL) = 'character varying'
    ) THEN -- the column was text before, which needed no cast
        RETURN regexp_replace(attached_definition.view_definition, '(\m(\w+\.)?name\M)', '\1::text AS name');
    END IF;
    RETURN attached_definition.view_definition;
END
$function$;

COMMENT ON FUNCTION connection_paths.attached_definition(text, text, oid) IS 'The definition of a binding view over a table, after a check of its columns';

REVOKE ALL ON FUNCTION connection_paths.attached_definition(text, text, oid) FROM PUBLIC;
