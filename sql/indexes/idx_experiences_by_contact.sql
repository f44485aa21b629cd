-- Finds the usable work experiences of a contact without reading the table.
-- The predicate is the rule of the view connection_paths.work_experiences.
CREATE INDEX CONCURRENTLY idx_experiences_by_contact
    ON :"host_schema".contact_work_experiences (contact_id) INCLUDE (organization_id, date_from, date_to)
    WHERE organization_id IS NOT NULL AND date_from IS NOT NULL AND (date_to IS NULL OR date_to >= date_from);

COMMENT ON INDEX :"host_schema".idx_experiences_by_contact IS 'connection_paths: the usable experiences of a contact, without reading the table';
