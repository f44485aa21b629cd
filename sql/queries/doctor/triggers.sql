-- Returns the triggers that capture changes, one row per trigger: whether it exists, and whether it fires.
--
-- Parameters: tables (oids); names.
SELECT expected.table_oid, name.name, t.oid IS NOT NULL AS is_there, COALESCE(t.tgenabled IN ('O', 'A'), false) AS fires
FROM unnest(%(tables)s::oid[]) AS expected (table_oid)
CROSS JOIN unnest(%(names)s::text[]) WITH ORDINALITY AS name (name, number)
LEFT JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = expected.table_oid AND t.tgname = name.name
ORDER BY expected.table_oid, name.number
