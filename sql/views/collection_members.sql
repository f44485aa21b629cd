-- The members of the application's collections. The WHERE clause says which rows count; a partial index repeats it.
-- The rule of the mapping comes first; by default it is the list of sources that count.
CREATE OR REPLACE VIEW connection_paths.collection_members WITH (security_invoker = true) AS
SELECT
    :user_contact_collections.collection_id AS collection_id,
    :user_contact_collections.contact_id AS contact_id,
    :user_contact_collections.user_id AS user_id
FROM :user_contact_collections.table AS m
WHERE :user_contact_collections.where_and :user_contact_collections.user_id IS NOT NULL;

COMMENT ON VIEW connection_paths.collection_members IS 'Members: which user brought which contact into which collection; a row for each source';

REVOKE ALL ON TABLE connection_paths.collection_members FROM PUBLIC;
