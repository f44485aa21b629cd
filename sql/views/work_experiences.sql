-- The application's usable work experiences. The WHERE clause says which rows are usable; two indexes repeat it.
CREATE OR REPLACE VIEW connection_paths.work_experiences WITH (security_invoker = true) AS
SELECT
    :contact_work_experiences.id AS id,
    :contact_work_experiences.contact_id AS contact_id,
    :contact_work_experiences.organization_id AS organization_id,
    :contact_work_experiences.date_from AS date_from,
    :contact_work_experiences.date_to AS date_to
FROM :contact_work_experiences.table AS e
WHERE :contact_work_experiences.where_and :contact_work_experiences.organization_id IS NOT NULL
    AND :contact_work_experiences.date_from IS NOT NULL
    AND (:contact_work_experiences.date_to IS NULL OR :contact_work_experiences.date_to >= :contact_work_experiences.date_from);

COMMENT ON VIEW connection_paths.work_experiences IS 'Usable work experiences: organization and start are known, and the end is not before the start; date_to NULL is ongoing';

REVOKE ALL ON TABLE connection_paths.work_experiences FROM PUBLIC;
