-- Returns the tables whose changes may be captured, and the number of their triggers that exist and are enabled.
--
-- Parameters: tables; names (of the triggers of one table); host_schema.
SELECT
    expected.table_name,
    (
        SELECT count(*)
        FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = to_regclass(quote_ident(%(host_schema)s) || '.' || quote_ident(expected.table_name))
            AND t.tgname = ANY (%(names)s::text[])
            AND t.tgenabled IN ('O', 'A')
    ) AS enabled
FROM unnest(%(tables)s::text[]) AS expected (table_name)
ORDER BY expected.table_name
