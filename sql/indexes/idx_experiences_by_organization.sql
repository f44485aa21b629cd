-- Finds the contacts that worked at an organization at some time. Contacts that left before that time are not read.
-- The second column is an expression, so that work experiences that continue (date_to is NULL) come after all other
-- dates and belong to the same range of the index.
-- No scan begins at date_from or contact_id. They are key columns so that PostgreSQL compares them inside the index
-- page. This excludes four of five entries, each at a fifth of the cost of a row that is read and filtered.
-- The predicate is the rule of the view connection_paths.work_experiences.
CREATE INDEX CONCURRENTLY idx_experiences_by_organization
    ON :contact_work_experiences.table (
        :contact_work_experiences.key_organization_id,
        (COALESCE(:contact_work_experiences.date_to, 'infinity'::date)),
        :contact_work_experiences.key_date_from,
        :contact_work_experiences.key_contact_id
    )
    :contact_work_experiences.include
    WHERE :contact_work_experiences.where_and :contact_work_experiences.organization_id IS NOT NULL
        AND :contact_work_experiences.date_from IS NOT NULL
        AND (:contact_work_experiences.date_to IS NULL OR :contact_work_experiences.date_to >= :contact_work_experiences.date_from);

COMMENT ON INDEX :contact_work_experiences.schema.idx_experiences_by_organization IS 'connection_paths: the contacts that worked at an organization at the same time';
