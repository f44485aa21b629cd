-- Whether the work experiences of the application have company names of a text type.
--
-- Parameter: host_schema.
SELECT EXISTS (
    SELECT
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    WHERE n.nspname = %(host_schema)s
        AND c.relname = 'contact_work_experiences'
        AND a.attname = 'company_name'
        AND NOT a.attisdropped
        AND t.typcategory = 'S'
)
