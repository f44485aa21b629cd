-- Finds the usable work experiences of a contact without reading the table.
-- The predicate is the rule of the view connection_paths.work_experiences.
CREATE INDEX CONCURRENTLY idx_experiences_by_contact
    ON :contact_work_experiences.table (:contact_work_experiences.key_contact_id)
    :contact_work_experiences.include
    WHERE :contact_work_experiences.where_and :contact_work_experiences.organization_id IS NOT NULL
        AND :contact_work_experiences.date_from IS NOT NULL
        AND (:contact_work_experiences.date_to IS NULL OR :contact_work_experiences.date_to >= :contact_work_experiences.date_from);

COMMENT ON INDEX :contact_work_experiences.schema.idx_experiences_by_contact IS 'connection_paths: the usable experiences of a contact, without reading the table';
