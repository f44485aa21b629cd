-- The host's tables, and the rules about them.
--
-- Nothing else in the package names a host table. Their names stand here without a schema: `install` puts the host's
-- schema in the search path, and a view binds what it found for good.
--
-- Each rule is the WHERE of one view. The planner inlines views, so a partial index under the same rule serves every
-- query that reads the view; `sql/indexes` repeats the rule because PostgreSQL has no other way, and a test compares.
--
-- security_invoker: the caller's own rights and row-level policies on the host's tables apply.

CREATE OR REPLACE VIEW connection_paths.work_experiences WITH (security_invoker = true) AS
SELECT
    e.id,
    e.contact_id,
    e.organization_id,
    e.date_from,
    e.date_to
FROM contact_work_experiences AS e
WHERE e.organization_id IS NOT NULL
    AND e.date_from IS NOT NULL
    AND (e.date_to IS NULL OR e.date_to >= e.date_from);

COMMENT ON VIEW connection_paths.work_experiences IS 'Usable work experiences: organization and start known, not ending before they start; date_to NULL is ongoing';

CREATE OR REPLACE VIEW connection_paths.collection_members WITH (security_invoker = true) AS
SELECT
    m.collection_id,
    m.contact_id,
    m.user_id
FROM user_contact_collections AS m
WHERE m.source IN (0, 1, 2, 3, 5, 10)
    AND m.user_id IS NOT NULL;

COMMENT ON VIEW connection_paths.collection_members IS 'Network membership: which user brought which contact into which collection; a row per source';

CREATE OR REPLACE VIEW connection_paths.live_organizations WITH (security_invoker = true) AS
SELECT
    o.id,
    o.name
FROM organizations AS o;

COMMENT ON VIEW connection_paths.live_organizations IS 'Organizations that exist; a work experience that points elsewhere is an orphan and makes no edge';

CREATE OR REPLACE VIEW connection_paths.live_contacts WITH (security_invoker = true) AS
SELECT
    c.id,
    c.name
FROM contacts AS c;

COMMENT ON VIEW connection_paths.live_contacts IS 'Contacts that exist; anybody else has no edge, whatever work experiences were left behind';
