-- generations.walked_paths(...)
--
-- Returns the best max_paths paths of generations.walk, in order, with the details of their edges. deep_finder_v2 is
-- this statement; deep_finder_v3 uses it up to depth 2. The planner inlines it.
CREATE OR REPLACE FUNCTION generations.walked_paths(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer,
    max_paths integer,
    seed_scope text,
    max_edges_per_hop integer,
    ask_everybody boolean
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
    WITH opened AS (
        SELECT w.depth, o.user_id, w.contact_ids, w.recency
        FROM generations.walk(
            walked_paths.target_contact_id,
            walked_paths.collection_id,
            walked_paths.max_depth,
            walked_paths.max_edges_per_hop,
            walked_paths.ask_everybody
        ) AS w
        CROSS JOIN LATERAL generations.openers(
            w.contact_ids[1],
            walked_paths.collection_id,
            walked_paths.viewer_user_id,
            walked_paths.seed_scope
        ) AS o
        ORDER BY
            w.depth,
            w.recency DESC,
            o.user_id = walked_paths.viewer_user_id DESC,
            o.user_id,
            w.contact_ids
        LIMIT walked_paths.max_paths
    )
    SELECT
        p.depth,
        p.user_id,
        p.contact_ids,
        COALESCE(hops.organization_ids, '{}'),
        COALESCE(hops.date_froms, '{}'),
        COALESCE(hops.date_tos, '{}'),
        p.recency
    FROM opened AS p
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
        p.user_id = walked_paths.viewer_user_id DESC,
        p.user_id,
        p.contact_ids;
END;

COMMENT ON FUNCTION generations.walked_paths(bigint, bigint, bigint, integer, integer, text, integer, boolean) IS 'Paths of the recursive walk, best first';

REVOKE ALL ON FUNCTION generations.walked_paths(bigint, bigint, bigint, integer, integer, text, integer, boolean)
FROM PUBLIC;
