-- Returns the columns that an index has to include, as a list for CREATE INDEX; NULL if there is none. A key that is an
-- expression does not give its columns to an index-only scan, so these are included.
--
-- Parameters
--     table_oid    The table, or NULL.
--     columns      The columns that the index contains, as keys or included.
--     keys, types  The columns that are keys without an expression if they have these types.
SELECT string_agg(quote_ident(c.name), ', ' ORDER BY c.number) AS included
FROM unnest(%(columns)s::text[]) WITH ORDINALITY AS c (name, number)
WHERE NOT EXISTS (
    SELECT
    FROM unnest(%(keys)s::text[], %(types)s::text[]) AS k (name, type)
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = %(table_oid)s::oid AND a.attname = k.name
    WHERE k.name = c.name AND format_type(a.atttypid, NULL) = k.type
)
