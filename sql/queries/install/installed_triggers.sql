-- Returns the tables whose changes may be captured, and the number of their triggers that exist and are enabled.
--
-- Parameters: sources, host_schema (see orchestrator/host/sources.py: asked); names (of the triggers of one table).
SELECT
    expected."table",
    (
        SELECT count(*)
        FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = to_regclass(quote_ident(expected."schema") || '.' || quote_ident(expected."table"))
            AND t.tgname = ANY (%(names)s::text[])
            AND t.tgenabled IN ('O', 'A')
    ) AS enabled
FROM jsonb_to_recordset(%(sources)s::jsonb) AS expected ("schema" text, "table" text, captured boolean)
WHERE expected.captured
ORDER BY expected."table"
