-- Collection first: every probe of one request shares it, so its pages are contiguous and hot.
-- The predicate is the rule of connection_paths.collection_members.
CREATE INDEX CONCURRENTLY idx_members_by_collection
    ON :"host_schema".user_contact_collections (collection_id, contact_id) INCLUDE (user_id)
    WHERE source IN (0, 1, 2, 3, 5, 10) AND user_id IS NOT NULL;

COMMENT ON INDEX :"host_schema".idx_members_by_collection IS 'connection_paths: who brought a contact into a collection';
