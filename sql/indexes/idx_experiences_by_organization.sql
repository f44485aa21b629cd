-- Who was at an organization, those who left last at the end: colleagues who had left before one came are not read.
-- The expression, not date_to itself, because NULL (ongoing) must sort after every date and within one range.
-- date_from and contact_id are keys, though no scan can begin at them: as keys they are compared inside the index page,
-- and four of five colleagues, who came too late or have a smaller id, cost a fifth of what they cost as filtered rows.
-- The predicate is the rule of connection_paths.work_experiences.
CREATE INDEX CONCURRENTLY idx_experiences_by_organization
    ON :"host_schema".contact_work_experiences (organization_id, (COALESCE(date_to, 'infinity'::date)), date_from, contact_id)
    INCLUDE (date_to)
    WHERE organization_id IS NOT NULL AND date_from IS NOT NULL AND (date_to IS NULL OR date_to >= date_from);

COMMENT ON INDEX :"host_schema".idx_experiences_by_organization IS 'connection_paths: who was at an organization at the same time';
