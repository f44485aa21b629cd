-- connection_paths.column_problems(table_oid, view_name)
--
-- Compares the columns of a table with the columns that a binding view of the package shows.
--
-- Parameters
--     table_oid  The table. Required.
--     view_name  The binding view, without its schema. Required.
-- Returns
--     What is wrong, by column, in one line; NULL when the table has every column with its type. A column of the type
--     text may also be character varying.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     attach_source
CREATE OR REPLACE FUNCTION connection_paths.column_problems(table_oid oid, view_name text)
RETURNS text
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN (
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
        FROM pg_catalog.pg_attribute AS v
        LEFT JOIN pg_catalog.pg_attribute AS a
            ON a.attrelid = column_problems.table_oid
            AND a.attname = v.attname
            AND a.attnum > 0
            AND NOT a.attisdropped
        WHERE v.attrelid = to_regclass('connection_paths.' || column_problems.view_name)
            AND v.attnum > 0
            AND (
                a.atttypid IS NULL
                OR format_type(a.atttypid, NULL) <> ALL (
                    CASE format_type(v.atttypid, NULL)
                        WHEN 'text' THEN '{text,character varying}'::text[]
                        ELSE ARRAY[format_type(v.atttypid, NULL)]
                    END
                )
            )
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.column_problems(oid, text) IS 'What differs between the columns of a table and those that a binding view shows';

REVOKE ALL ON FUNCTION connection_paths.column_problems(oid, text) FROM PUBLIC;
