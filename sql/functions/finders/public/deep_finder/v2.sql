-- connection_paths.deep_finder_v2(...): introduction paths by the recursive walk, sorted in SQL, details for the
-- winners only.
--
-- target_contact_id  whom to reach           collection_id  the team's collection, the only one that is read
-- viewer_user_id     who asks                max_depth      contacts on a path, the target included, 1..6
-- max_paths          rows, 1..1000           seed_scope     'any' user opens a path, or only 'importer' (viewer)
-- max_edges_per_hop  most recent edges followed from each contact; NULL: all
--
-- Returns a row per path and user: from the user's contact to the target, with organization and dates of each edge,
-- by depth, recency, the viewer's own first, user id, contact ids. Errors: see check_finder_arguments.
--
-- The plan is a nested loop over indexes whatever the arguments, and the settings say so: an estimate for a generic
-- plan would otherwise turn into a hash of the membership or a sort of every edge of a hub, or be thought so bad that
-- every call is planned anew, which takes longer than a call of depth 2.
CREATE OR REPLACE FUNCTION connection_paths.deep_finder_v2(
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
    PERFORM connection_paths.check_finder_arguments(
        target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope, max_edges_per_hop
    );

    RETURN QUERY
    SELECT p.depth, p.user_id, p.contact_ids, p.organization_ids, p.date_froms, p.date_tos, p.recency
    FROM connection_paths.walked_paths(
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

COMMENT ON FUNCTION connection_paths.deep_finder_v2(bigint, bigint, bigint, integer, integer, text, integer) IS 'Second generation of deep_finder: recursive walk, sorted in SQL';

REVOKE ALL ON FUNCTION connection_paths.deep_finder_v2(bigint, bigint, bigint, integer, integer, text, integer) FROM PUBLIC;
