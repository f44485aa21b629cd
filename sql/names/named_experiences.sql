-- The application's work experiences that have a company name and no organization. The WHERE clause says
-- which of them can become usable; two partial indexes repeat it. Names of more than 200 characters are left out,
-- because an index entry that is too large would make the statement of the writer fail.
-- The rule about the length is written as CASE ... <> 0, because PostgreSQL assumes that almost every row satisfies
-- it. It assumes that every ninth row satisfies BETWEEN. Then a plan for few names read all names for each organization
-- of a contact: a refresh of a contact took ten times as long.
CREATE OR REPLACE VIEW connection_paths.named_experiences WITH (security_invoker = true) AS
SELECT
    :contact_work_experiences.contact_id AS contact_id,
    :contact_work_experiences.company_name COLLATE "C" AS company_name,
    :contact_work_experiences.date_from AS date_from,
    :contact_work_experiences.date_to AS date_to
FROM :contact_work_experiences.table AS e
WHERE :contact_work_experiences.where_and :contact_work_experiences.organization_id IS NULL
    AND :contact_work_experiences.date_from IS NOT NULL
    AND (:contact_work_experiences.date_to IS NULL OR :contact_work_experiences.date_to >= :contact_work_experiences.date_from)
    AND CASE WHEN length(:contact_work_experiences.company_name) BETWEEN 1 AND 200 THEN 1 ELSE 0 END <> 0;

COMMENT ON VIEW connection_paths.named_experiences IS 'Work experiences with a company name and no organization, otherwise usable; date_to NULL is ongoing';

REVOKE ALL ON TABLE connection_paths.named_experiences FROM PUBLIC;
