-- Returns the statements with which the owner of the application's tables grants the group roles the rights they need.
-- The operator and the owner role get these rights through the reader role.
--
-- Parameters: prefix; host_schema; tables.
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
