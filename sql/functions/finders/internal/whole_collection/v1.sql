CREATE OR REPLACE FUNCTION connection_paths.whole_collection(
    collection_id bigint,
    viewer_user_id bigint,
    excluded_contact_ids bigint[],
    ask_everybody boolean,
    most bigint
)
RETURNS TABLE (members bigint[], of_viewer bigint[])
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT
        array_agg(m.contact_id),
        COALESCE(array_agg(m.contact_id) FILTER (WHERE m.user_id = whole_collection.viewer_user_id), '{}')
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

COMMENT ON FUNCTION connection_paths.whole_collection(bigint, bigint, bigint[], boolean, bigint) IS 'All members of a collection who may be asked; NULL where the collection is too large';

REVOKE ALL ON FUNCTION connection_paths.whole_collection(bigint, bigint, bigint[], boolean, bigint) FROM PUBLIC;
