-- The GRANT statements that give the group roles the rights on the application's tables, one in each row.
--
-- The owner of these tables has to execute them. The roles operator and owner are members of the role reader, so they
-- need no statements of their own.
-- Parameters: prefix (of the names of the group roles), host_schema, tables.
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
