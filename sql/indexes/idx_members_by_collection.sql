-- The collection comes first: all look-ups of a search have the same collection, so their pages are contiguous and stay
-- in the cache.
-- The predicate is the rule of connection_paths.collection_members.
CREATE INDEX CONCURRENTLY idx_members_by_collection
    ON :"host_schema".user_contact_collections (collection_id, contact_id) INCLUDE (user_id)
    WHERE source IN (0, 1, 2, 3, 5, 10) AND user_id IS NOT NULL;

COMMENT ON INDEX :"host_schema".idx_members_by_collection IS 'connection_paths: which users brought a contact into a collection';
