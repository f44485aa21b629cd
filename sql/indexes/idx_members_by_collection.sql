-- The collection is the first column. All probes of a request are in one collection, so they read adjacent pages.
-- The predicate is the rule of the view connection_paths.collection_members.
CREATE INDEX CONCURRENTLY idx_members_by_collection
    ON :user_contact_collections.table (:user_contact_collections.key_collection_id, :user_contact_collections.key_contact_id)
    :user_contact_collections.include
    WHERE :user_contact_collections.where_and :user_contact_collections.user_id IS NOT NULL;

COMMENT ON INDEX :user_contact_collections.schema.idx_members_by_collection IS 'connection_paths: the users who brought a contact into a collection';
