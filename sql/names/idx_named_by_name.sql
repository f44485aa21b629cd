-- Finds the contacts that worked at a company of some name at some time. idx_experiences_by_organization explains the
-- columns. COLLATE "C": the name is compared byte by byte, and a new version of a collation cannot damage the index.
-- The predicate is the rule of the view connection_paths.named_experiences.
CREATE INDEX CONCURRENTLY idx_named_by_name
    ON :"host_schema".contact_work_experiences
        (company_name COLLATE "C", (COALESCE(date_to, 'infinity'::date)), date_from, contact_id)
    INCLUDE (date_to)
    WHERE organization_id IS NULL AND date_from IS NOT NULL AND (date_to IS NULL OR date_to >= date_from)
        AND length(company_name::text) BETWEEN 1 AND 200;

COMMENT ON INDEX :"host_schema".idx_named_by_name IS 'connection_paths: the contacts that worked at a company of some name at the same time';
