-- connection_paths.openers(contact_id, collection_id, viewer_user_id, seed_scope): who may open a path at a contact.
--
-- The users who brought the contact into the collection, each once however many sources they did it by. With
-- seed_scope 'importer' the viewer alone, if among them; with 'any' all of them.
CREATE OR REPLACE FUNCTION connection_paths.openers(
    contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    seed_scope text
)
RETURNS TABLE (user_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 2
BEGIN ATOMIC
    SELECT DISTINCT m.user_id
    FROM connection_paths.collection_members AS m
    WHERE m.collection_id = openers.collection_id
        AND m.contact_id = openers.contact_id
        AND (openers.seed_scope = 'any' OR m.user_id = openers.viewer_user_id);
END;

COMMENT ON FUNCTION connection_paths.openers(bigint, bigint, bigint, text) IS 'Users of a collection who may open a path at a contact';

REVOKE ALL ON FUNCTION connection_paths.openers(bigint, bigint, bigint, text) FROM PUBLIC;
