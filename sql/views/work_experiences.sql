-- The application's usable work experiences. The WHERE clause is the rule which of them are usable; two partial indexes
-- repeat it.
CREATE OR REPLACE VIEW connection_paths.work_experiences WITH (security_invoker = true) AS
SELECT
    e.id,
    e.contact_id,
    e.organization_id,
    e.date_from,
    e.date_to
FROM :"host_schema".contact_work_experiences AS e
WHERE e.organization_id IS NOT NULL
    AND e.date_from IS NOT NULL
    AND (e.date_to IS NULL OR e.date_to >= e.date_from);

COMMENT ON VIEW connection_paths.work_experiences IS 'Usable work experiences: organization and start are known, and the end is not before the start; date_to NULL is ongoing';

REVOKE ALL ON TABLE connection_paths.work_experiences FROM PUBLIC;
