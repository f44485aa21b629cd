-- Finds contacts by id where the id is an expression. Where it is a column of the type bigint, the index of the
-- application's key serves, and this one is not built.
CREATE INDEX CONCURRENTLY idx_contacts_by_id
    ON :contacts.table (:contacts.key_id)
    :contacts.include
    :contacts.where;

COMMENT ON INDEX :contacts.schema.idx_contacts_by_id IS 'connection_paths: contacts by the id that the package reads';
