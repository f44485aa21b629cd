-- The members of the application's collections. The WHERE clause is the rule which rows count; a partial index repeats
-- it.
CREATE OR REPLACE VIEW connection_paths.collection_members WITH (security_invoker = true) AS
SELECT
    m.collection_id,
    m.contact_id,
    m.user_id
FROM :"host_schema".user_contact_collections AS m
WHERE m.source IN (0, 1, 2, 3, 5, 10)
    AND m.user_id IS NOT NULL;

COMMENT ON VIEW connection_paths.collection_members IS 'Members: which user brought which contact into which collection; a row for each source';

REVOKE ALL ON TABLE connection_paths.collection_members FROM PUBLIC;
