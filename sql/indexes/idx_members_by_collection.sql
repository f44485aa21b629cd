-- The collection is the first column. All probes of a request are in one collection, so they read adjacent pages.
-- The predicate is the rule of the view connection_paths.collection_members.
CREATE INDEX CONCURRENTLY idx_members_by_collection
    ON :"host_schema".user_contact_collections (collection_id, contact_id) INCLUDE (user_id)
    WHERE source IN (0, 1, 2, 3, 5, 10) AND user_id IS NOT NULL;

COMMENT ON INDEX :"host_schema".idx_members_by_collection IS 'connection_paths: the users who brought a contact into a collection';
