-- Returns every row of the application's work experiences that the rule of the mapping counts, usable or not.
SELECT
    :contact_work_experiences.contact_id AS contact_id,
    :contact_work_experiences.organization_id AS organization_id,
    :contact_work_experiences.company_name AS company_name,
    :contact_work_experiences.date_from AS date_from,
    :contact_work_experiences.date_to AS date_to
FROM :contact_work_experiences.table AS e
:contact_work_experiences.where
