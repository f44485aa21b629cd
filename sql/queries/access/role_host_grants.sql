-- The rights on the host's tables that the group roles need: a statement a row, for the owner of those tables.
-- Parameters: prefix, host_schema, tables. Operator and owner have them through the reader.
SELECT format('GRANT USAGE ON SCHEMA %%I TO %%I', %(host_schema)s::text, %(prefix)s::text || '_reader') AS statement
UNION ALL
SELECT format(
    'GRANT SELECT ON %%s TO %%I',
    (
        SELECT string_agg(format('%%I.%%I', %(host_schema)s::text, t.name), ', ' ORDER BY t.name)
        FROM unnest(%(tables)s::text[]) AS t (name)
    ),
    %(prefix)s::text || '_reader'
)
