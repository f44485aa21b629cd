-- Finds the work experiences of a contact that have a company name and no organization.
-- The predicate is the rule of the view connection_paths.named_experiences.
CREATE INDEX CONCURRENTLY idx_named_by_contact
    ON :"host_schema".contact_work_experiences (contact_id) INCLUDE (company_name, date_from, date_to)
    WHERE organization_id IS NULL AND date_from IS NOT NULL AND (date_to IS NULL OR date_to >= date_from)
        AND length(company_name::text) BETWEEN 1 AND 200;

COMMENT ON INDEX :"host_schema".idx_named_by_contact IS 'connection_paths: the experiences of a contact that have only a company name';
