-- Who was at an organization, those who left last at the end: colleagues who had left before one came are not read.
-- The expression, not date_to itself, because NULL (ongoing) must sort after every date and within one range.
-- The predicate is the rule of connection_paths.work_experiences.
CREATE INDEX CONCURRENTLY idx_experiences_by_organization
    ON contact_work_experiences (organization_id, (COALESCE(date_to, 'infinity'::date)))
    INCLUDE (date_from, date_to, contact_id)
    WHERE organization_id IS NOT NULL AND date_from IS NOT NULL AND (date_to IS NULL OR date_to >= date_from);
