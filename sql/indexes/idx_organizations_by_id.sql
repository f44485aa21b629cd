-- Finds organizations by id where the id is an expression. Where it is a column of the type bigint, the index of the
-- application's key serves, and this one is not built.
CREATE INDEX CONCURRENTLY idx_organizations_by_id
    ON :organizations.table (:organizations.key_id)
    :organizations.include
    :organizations.where;

COMMENT ON INDEX :organizations.schema.idx_organizations_by_id IS 'connection_paths: organizations by the id that the package reads';
