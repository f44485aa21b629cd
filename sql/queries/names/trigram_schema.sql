-- The schema of the extension pg_trgm, and the statement that builds the index of similar names; NULL: it exists. No
-- row when the extension is not installed.
SELECT
    n.nspname::text AS extension_schema,
    CASE
        WHEN to_regclass('connection_paths.organization_names_words') IS NULL THEN format(
            'CREATE INDEX IF NOT EXISTS organization_names_words'
            ' ON connection_paths.organization_names USING gin (words %I.gin_trgm_ops)',
            n.nspname
        )
    END AS create_index
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_trgm'
