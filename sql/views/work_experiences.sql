-- The application's work experiences, and the rule that says which of them count. A partial index repeats the rule.
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

COMMENT ON VIEW connection_paths.work_experiences IS 'Usable work experiences: organization and start known, not ending before they start; date_to NULL is ongoing';

REVOKE ALL ON TABLE connection_paths.work_experiences FROM PUBLIC;
