-- Finds the work experiences of a contact that have a company name and no organization.
-- The predicate is the rule of the view connection_paths.named_experiences.
CREATE INDEX CONCURRENTLY idx_named_by_contact
    ON :contact_work_experiences.table (:contact_work_experiences.key_contact_id)
    :contact_work_experiences.include_names
    WHERE :contact_work_experiences.where_and :contact_work_experiences.organization_id IS NULL
        AND :contact_work_experiences.date_from IS NOT NULL
        AND (:contact_work_experiences.date_to IS NULL OR :contact_work_experiences.date_to >= :contact_work_experiences.date_from)
        AND CASE WHEN length(:contact_work_experiences.company_name) BETWEEN 1 AND 200 THEN 1 ELSE 0 END <> 0;

COMMENT ON INDEX :contact_work_experiences.schema.idx_named_by_contact IS 'connection_paths: the experiences of a contact that have only a company name';
