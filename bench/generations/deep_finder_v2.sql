-- generations.deep_finder_v2(...)
--
-- The second generation: one recursive statement that sorts chains in SQL and looks up details of the returned rows only.
CREATE OR REPLACE FUNCTION generations.deep_finder_v2(
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
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 25
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_sort = off
AS $function$
#variable_conflict use_column
BEGIN
    PERFORM generations.check_finder_arguments(
        target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope, max_edges_per_hop
    );

    RETURN QUERY
    SELECT p.depth, p.user_id, p.contact_ids, p.organization_ids, p.date_froms, p.date_tos, p.recency
    FROM generations.walked_paths(
        deep_finder_v2.target_contact_id,
        deep_finder_v2.collection_id,
        deep_finder_v2.viewer_user_id,
        deep_finder_v2.max_depth,
        deep_finder_v2.max_paths,
        deep_finder_v2.seed_scope,
        deep_finder_v2.max_edges_per_hop,
        ask_everybody => false
    ) AS p;
END
$function$;

COMMENT ON FUNCTION generations.deep_finder_v2(bigint, bigint, bigint, integer, integer, text, integer) IS 'Second generation of deep_finder: recursive walk, sorted in SQL';

REVOKE ALL ON FUNCTION generations.deep_finder_v2(bigint, bigint, bigint, integer, integer, text, integer) FROM PUBLIC;
