-- generations.deep_finder_v1(...)
--
-- The first generation: it fetches 25 times the rows that are wanted, with the details of each, and then sorts them.
CREATE OR REPLACE FUNCTION generations.deep_finder_v1(
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
    WITH fetched AS MATERIALIZED (
        SELECT
            w.depth,
            o.user_id,
            w.contact_ids,
            COALESCE(hops.organization_ids, '{}') AS organization_ids,
            COALESCE(hops.date_froms, '{}') AS date_froms,
            COALESCE(hops.date_tos, '{}') AS date_tos,
            w.recency
        FROM generations.walk(
            deep_finder_v1.target_contact_id,
            deep_finder_v1.collection_id,
            deep_finder_v1.max_depth,
            deep_finder_v1.max_edges_per_hop,
            ask_everybody => false
        ) AS w
        CROSS JOIN LATERAL (
            SELECT
                array_agg(d.organization_id ORDER BY i.hop) AS organization_ids,
                array_agg(d.date_from ORDER BY i.hop) AS date_froms,
                array_agg(d.date_to ORDER BY i.hop) AS date_tos
            FROM generate_series(1, w.depth - 1) AS i (hop)
            CROSS JOIN LATERAL generations.edge_details(w.contact_ids[i.hop], w.contact_ids[i.hop + 1]) AS d
        ) AS hops
        CROSS JOIN LATERAL generations.openers(
            w.contact_ids[1],
            deep_finder_v1.collection_id,
            deep_finder_v1.viewer_user_id,
            deep_finder_v1.seed_scope
        ) AS o
        ORDER BY
            w.depth,
            w.recency DESC,
            o.user_id = deep_finder_v1.viewer_user_id DESC,
            o.user_id,
            w.contact_ids
        LIMIT deep_finder_v1.max_paths * 25
    )
    SELECT
        p.depth,
        p.user_id,
        p.contact_ids,
        p.organization_ids,
        p.date_froms,
        p.date_tos,
        p.recency
    FROM fetched AS p
    ORDER BY
        p.depth,
        p.recency DESC,
        p.user_id = deep_finder_v1.viewer_user_id DESC,
        p.user_id,
        p.contact_ids
    LIMIT deep_finder_v1.max_paths;
END
$function$;

COMMENT ON FUNCTION generations.deep_finder_v1(bigint, bigint, bigint, integer, integer, text, integer) IS 'First generation of deep_finder: details for every chain, over-fetches, sorts outside; kept to measure against';

REVOKE ALL ON FUNCTION generations.deep_finder_v1(bigint, bigint, bigint, integer, integer, text, integer) FROM PUBLIC;
