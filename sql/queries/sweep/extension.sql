-- The schema of an extension, quoted; no row where it is not installed. Parameter: extension.
SELECT quote_ident(n.nspname)
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname = %(extension)s
