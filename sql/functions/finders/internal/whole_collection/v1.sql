CREATE OR REPLACE FUNCTION connection_paths.whole_collection(
    collection_id bigint,
    excluded_contact_ids bigint[],
    ask_everybody boolean,
    most bigint
)
RETURNS TABLE (contact_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1000
BEGIN ATOMIC
    SELECT m.contact_id
    FROM connection_paths.askable_members(
        whole_collection.collection_id, whole_collection.excluded_contact_ids, whole_collection.ask_everybody
    ) AS m
    WHERE (
        SELECT count(*) <= whole_collection.most
        FROM (
            SELECT
            FROM connection_paths.collection_members AS m
            WHERE m.collection_id = whole_collection.collection_id
            LIMIT whole_collection.most + 1
        ) AS m
    );
END;

COMMENT ON FUNCTION connection_paths.whole_collection(bigint, bigint[], boolean, bigint) IS 'All members of a collection who may be asked; no row where the collection is too large';

REVOKE ALL ON FUNCTION connection_paths.whole_collection(bigint, bigint[], boolean, bigint) FROM PUBLIC;
