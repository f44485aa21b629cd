-- Returns the statements with which the owner of the application's tables grants the group roles the rights they need.
-- The operator and the owner role get these rights through the reader role.
--
-- Parameters: prefix; host_schema, sources (see orchestrator/host/sources.py: asked).
WITH tables AS (
    SELECT COALESCE(s."schema", %(host_schema)s::text) AS schema_name, s."table" AS table_name
    FROM jsonb_to_recordset(%(sources)s::jsonb) AS s ("schema" text, "table" text)
)
SELECT g.statement
FROM (
    SELECT format('GRANT USAGE ON SCHEMA %%I TO %%I', t.schema_name, %(prefix)s::text || '_reader') AS statement, 0 AS place
    FROM tables AS t
    GROUP BY t.schema_name
    UNION ALL
    SELECT
        format(
            'GRANT SELECT ON %%s TO %%I',
            string_agg(format('%%I.%%I', t.schema_name, t.table_name), ', ' ORDER BY t.schema_name, t.table_name),
            %(prefix)s::text || '_reader'
        ),
        1
    FROM tables AS t
) AS g
ORDER BY g.place, g.statement
