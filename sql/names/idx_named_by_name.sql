-- Finds the contacts that worked at a company of some name at some time. idx_experiences_by_organization explains the
-- columns. COLLATE "C": the name is compared byte by byte, and a new version of a collation cannot damage the index.
-- The predicate is the rule of the view connection_paths.named_experiences.
CREATE INDEX CONCURRENTLY idx_named_by_name
    ON :contact_work_experiences.table (
        :contact_work_experiences.bare_company_name COLLATE "C",
        (COALESCE(:contact_work_experiences.date_to, 'infinity'::date)),
        :contact_work_experiences.key_date_from,
        :contact_work_experiences.key_contact_id
    )
    :contact_work_experiences.include_names
    WHERE :contact_work_experiences.where_and :contact_work_experiences.organization_id IS NULL
        AND :contact_work_experiences.date_from IS NOT NULL
        AND (:contact_work_experiences.date_to IS NULL OR :contact_work_experiences.date_to >= :contact_work_experiences.date_from)
        AND CASE WHEN length(:contact_work_experiences.company_name) BETWEEN 1 AND 200 THEN 1 ELSE 0 END <> 0;

COMMENT ON INDEX :contact_work_experiences.schema.idx_named_by_name IS 'connection_paths: the contacts that worked at a company of some name at the same time';
