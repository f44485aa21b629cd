-- connection_paths.deep_finder(...): the current generation of deep_finder. See deep_finder_v3.
-- Inlined (LANGUAGE sql, STABLE, no SET, not STRICT): the name costs nothing.
CREATE OR REPLACE FUNCTION connection_paths.deep_finder(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer DEFAULT 2,
    max_paths integer DEFAULT 25,
    seed_scope text DEFAULT 'any',
    max_edges_per_hop integer DEFAULT 15
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
    FROM connection_paths.deep_finder_v3(
        deep_finder.target_contact_id,
        deep_finder.collection_id,
        deep_finder.viewer_user_id,
        deep_finder.max_depth,
        deep_finder.max_paths,
        deep_finder.seed_scope,
        deep_finder.max_edges_per_hop
    ) AS p;
END;

COMMENT ON FUNCTION connection_paths.deep_finder(bigint, bigint, bigint, integer, integer, text, integer) IS 'Introduction paths to a contact, a row per path and user, best first';

REVOKE ALL ON FUNCTION connection_paths.deep_finder(bigint, bigint, bigint, integer, integer, text, integer) FROM PUBLIC;
