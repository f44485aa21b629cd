-- The table of the application that a binding view reads; no row when the view is missing or its table is detached.
-- Parameter: view (without its schema).
SELECT s.table_schema, s.relation_name
FROM connection_paths.source_tables() AS s
WHERE s.view_name = %(view)s::text AND s.table_oid IS NOT NULL
