-- connection_paths.path_document(user_ids, contact_ids, recency, hops): one path as find_paths returns it.
--
-- user_ids     who can open it, the viewer first
-- contact_ids  from the users' contact to the target
-- recency      the latest date_to on the path; NULL at depth 1
-- hops         a JSON array, an object per edge; NULL: none
CREATE OR REPLACE FUNCTION connection_paths.path_document(
    user_ids bigint[],
    contact_ids bigint[],
    recency date,
    hops jsonb
)
RETURNS jsonb
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT jsonb_build_object(
        'depth', cardinality(contact_ids),
        'user_ids', user_ids,
        'contact_ids', contact_ids,
        'recency', recency,
        'hops', COALESCE(hops, '[]')
    );
END;

COMMENT ON FUNCTION connection_paths.path_document(bigint[], bigint[], date, jsonb) IS 'One path as find_paths returns it';

REVOKE ALL ON FUNCTION connection_paths.path_document(bigint[], bigint[], date, jsonb) FROM PUBLIC;
