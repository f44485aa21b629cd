-- generations.recursive_finder(...)
--
-- Today's meaning of deep_finder in its plainest form: two recursive searches, sorted together. It is what a comparison
-- expects, not a generation, and it is slow around contacts with many edges.
--
-- Up to depth 2 every chain counts. From depth 3 on, each contact is left by its max_edges_per_hop best edges only. The
-- arguments, rows and order are those of deep_finder.
CREATE OR REPLACE FUNCTION generations.recursive_finder(
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
    RETURN QUERY
    WITH chains AS (
        SELECT w.depth, w.contact_ids, w.recency
        FROM generations.walk(
            recursive_finder.target_contact_id,
            recursive_finder.collection_id,
            LEAST(recursive_finder.max_depth, 2),
            max_edges_per_hop => NULL,
            ask_everybody => false
        ) AS w
        UNION ALL
        SELECT w.depth, w.contact_ids, w.recency
        FROM generations.walk(
            recursive_finder.target_contact_id,
            recursive_finder.collection_id,
            recursive_finder.max_depth,
            recursive_finder.max_edges_per_hop,
            ask_everybody => false
        ) AS w
        WHERE w.depth > 2 AND recursive_finder.max_depth > 2
    ),
    paths AS (
        SELECT c.depth, o.user_id, c.contact_ids, c.recency
        FROM chains AS c
        CROSS JOIN LATERAL generations.openers(
            c.contact_ids[1],
            recursive_finder.collection_id,
            recursive_finder.viewer_user_id,
            recursive_finder.seed_scope
        ) AS o
        ORDER BY
            c.depth,
            c.recency DESC,
            o.user_id = recursive_finder.viewer_user_id DESC,
            o.user_id,
            c.contact_ids
        LIMIT recursive_finder.max_paths
    )
    SELECT
        p.depth,
        p.user_id,
        p.contact_ids,
        COALESCE(hops.organization_ids, '{}'),
        COALESCE(hops.date_froms, '{}'),
        COALESCE(hops.date_tos, '{}'),
        p.recency
    FROM paths AS p
    CROSS JOIN LATERAL (
        SELECT
            array_agg(d.organization_id ORDER BY i.hop) AS organization_ids,
            array_agg(d.date_from ORDER BY i.hop) AS date_froms,
            array_agg(d.date_to ORDER BY i.hop) AS date_tos
        FROM generate_series(1, p.depth - 1) AS i (hop)
        CROSS JOIN LATERAL generations.edge_details(p.contact_ids[i.hop], p.contact_ids[i.hop + 1]) AS d
    ) AS hops
    ORDER BY
        p.depth,
        p.recency DESC,
        p.user_id = recursive_finder.viewer_user_id DESC,
        p.user_id,
        p.contact_ids;
END
$function$;

COMMENT ON FUNCTION generations.recursive_finder(bigint, bigint, bigint, integer, integer, text, integer) IS 'Today''s meaning of deep_finder, in its plainest form';
