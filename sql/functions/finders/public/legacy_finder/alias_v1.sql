-- connection_paths.legacy_finder(...): the current generation of legacy_finder. See legacy_finder_v1.
-- Inlined (LANGUAGE sql, STABLE, no SET, not STRICT): the name costs nothing.
CREATE OR REPLACE FUNCTION connection_paths.legacy_finder(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_paths integer DEFAULT 25,
    seed_scope text DEFAULT 'any'
)
RETURNS TABLE (
    depth integer,
    user_id bigint,
    contact_ids bigint[],
    organization_ids bigint[],
    date_froms date[],
    date_tos date[],
    recency date
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 25
BEGIN ATOMIC
    SELECT p.depth, p.user_id, p.contact_ids, p.organization_ids, p.date_froms, p.date_tos, p.recency
    FROM connection_paths.legacy_finder_v1(
        legacy_finder.target_contact_id,
        legacy_finder.collection_id,
        legacy_finder.viewer_user_id,
        legacy_finder.max_paths,
        legacy_finder.seed_scope
    ) AS p;
END;

COMMENT ON FUNCTION connection_paths.legacy_finder(bigint, bigint, bigint, integer, text) IS 'Introduction paths of depth 2 at most, straight from work experiences';

REVOKE ALL ON FUNCTION connection_paths.legacy_finder(bigint, bigint, bigint, integer, text) FROM PUBLIC;
