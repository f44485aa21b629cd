-- generations.openers(contact_id, collection_id, viewer_user_id, seed_scope)
--
-- Returns the users who can open a path at the contact: those who brought it into the collection. With the seed scope
-- 'importer' only the viewer counts.
CREATE OR REPLACE FUNCTION generations.openers(
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

COMMENT ON FUNCTION generations.openers(bigint, bigint, bigint, text) IS 'Users of a collection who may open a path at a contact';

REVOKE ALL ON FUNCTION generations.openers(bigint, bigint, bigint, text) FROM PUBLIC;
