-- connection_paths.legacy_finder_v1(...): the first generation, depth 2 at most, straight from work experiences.
--
-- Kept for comparison and as a fallback while edges are not yet built: with edges complete it returns what
-- deep_finder(max_depth => 2, max_edges_per_hop => NULL) does, row for row. Arguments, row type, order and errors are
-- those of deep_finder.
CREATE OR REPLACE FUNCTION connection_paths.legacy_finder_v1(
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
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 25
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_seqscan = off
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM connection_paths.check_finder_arguments(
        target_contact_id, collection_id, viewer_user_id, 2, max_paths, seed_scope, NULL
    );

    RETURN QUERY
    SELECT
        w.depth,
        o.user_id,
        w.contact_ids,
        CASE w.depth WHEN 1 THEN '{}' ELSE ARRAY[w.organization_id] END,
        CASE w.depth WHEN 1 THEN '{}' ELSE ARRAY[w.date_from] END,
        CASE w.depth WHEN 1 THEN '{}' ELSE ARRAY[w.date_to] END,
        w.recency
    FROM connection_paths.legacy_walk(
        legacy_finder_v1.target_contact_id,
        legacy_finder_v1.collection_id,
        excluded_contact_ids => '{}',
        deadline => NULL
    ) AS w
    CROSS JOIN LATERAL connection_paths.openers(
        w.contact_ids[1],
        legacy_finder_v1.collection_id,
        legacy_finder_v1.viewer_user_id,
        legacy_finder_v1.seed_scope
    ) AS o
    ORDER BY
        w.depth,
        w.recency DESC,
        o.user_id = legacy_finder_v1.viewer_user_id DESC,
        o.user_id,
        w.contact_ids
    LIMIT legacy_finder_v1.max_paths;
END
$function$;

COMMENT ON FUNCTION connection_paths.legacy_finder_v1(bigint, bigint, bigint, integer, text) IS 'First generation of the finder: depth 2 at most, without the edge table';

REVOKE ALL ON FUNCTION connection_paths.legacy_finder_v1(bigint, bigint, bigint, integer, text) FROM PUBLIC;
