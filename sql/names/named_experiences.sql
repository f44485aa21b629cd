-- The application's work experiences that have a company name and no organization. The WHERE clause is the rule which
-- of them can become usable; two partial indexes repeat it. Longer names are left out, because an index entry that is
-- too large would make the statement of the writer fail.
CREATE OR REPLACE VIEW connection_paths.named_experiences WITH (security_invoker = true) AS
SELECT
    e.contact_id,
    e.company_name::text COLLATE "C" AS company_name,
    e.date_from,
    e.date_to
FROM :"host_schema".contact_work_experiences AS e
WHERE e.organization_id IS NULL
    AND e.date_from IS NOT NULL
    AND (e.date_to IS NULL OR e.date_to >= e.date_from)
    AND length(e.company_name::text) BETWEEN 1 AND 200;

COMMENT ON VIEW connection_paths.named_experiences IS 'Work experiences with a company name and no organization, otherwise usable; date_to NULL is ongoing';

REVOKE ALL ON TABLE connection_paths.named_experiences FROM PUBLIC;
