-- generations.deep_finder_v3(...)
--
-- The third generation: level by level, and it stops at the first depth that fills the request. Up to depth 2 it runs the
-- recursive statement of deep_finder_v2.
CREATE OR REPLACE FUNCTION generations.deep_finder_v3(
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
SET enable_sort = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $function$
#variable_conflict use_column
DECLARE
    is_usable CONSTANT boolean := generations.check_finder_arguments(
        target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope, max_edges_per_hop
    );
    ask_everybody boolean;
    chains bigint[];
    recencies date[];
    users bigint[];
BEGIN
    PERFORM
    FROM connection_paths.do_not_ask AS d
    WHERE d.collection_id = deep_finder_v3.collection_id
    LIMIT 1;
    ask_everybody := NOT FOUND;

    IF max_depth <= 2 THEN
        IF ask_everybody THEN -- two statements, each with less to do than one for both
            RETURN QUERY
            SELECT p.depth, p.user_id, p.contact_ids, p.organization_ids, p.date_froms, p.date_tos, p.recency
            FROM generations.walked_paths(
                deep_finder_v3.target_contact_id,
                deep_finder_v3.collection_id,
                deep_finder_v3.viewer_user_id,
                deep_finder_v3.max_depth,
                deep_finder_v3.max_paths,
                deep_finder_v3.seed_scope,
                deep_finder_v3.max_edges_per_hop,
                ask_everybody => true
            ) AS p;
        ELSE
            RETURN QUERY
            SELECT p.depth, p.user_id, p.contact_ids, p.organization_ids, p.date_froms, p.date_tos, p.recency
            FROM generations.walked_paths(
                deep_finder_v3.target_contact_id,
                deep_finder_v3.collection_id,
                deep_finder_v3.viewer_user_id,
                deep_finder_v3.max_depth,
                deep_finder_v3.max_paths,
                deep_finder_v3.seed_scope,
                deep_finder_v3.max_edges_per_hop,
                ask_everybody => false
            ) AS p;
        END IF;
        RETURN;
    END IF;

    SELECT s.chains, s.recencies, s.users
    INTO chains, recencies, users
    FROM generations.search(
        target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope, max_edges_per_hop,
        excluded_contact_ids => '{}', ask_everybody => ask_everybody, by_chain => false, deadline => NULL
    ) AS s;
    IF chains IS NULL THEN
        RETURN;
    END IF;

    RETURN QUERY
    SELECT
        cardinality(p.contact_ids),
        p.user_id,
        p.contact_ids,
        COALESCE(hops.organization_ids, '{}'),
        COALESCE(hops.date_froms, '{}'),
        COALESCE(hops.date_tos, '{}'),
        p.recency
    FROM (
        SELECT
            f.position,
            f.user_id,
            generations.path_contacts(chains, f.position) AS contact_ids,
            f.recency
        FROM unnest(recencies, users) WITH ORDINALITY AS f (recency, user_id, position)
        ORDER BY f.position
        OFFSET 0
    ) AS p
    CROSS JOIN LATERAL (
        SELECT
            array_agg(d.organization_id ORDER BY n.hop) AS organization_ids,
            array_agg(d.date_from ORDER BY n.hop) AS date_froms,
            array_agg(d.date_to ORDER BY n.hop) AS date_tos
        FROM unnest(p.contact_ids[2:]) WITH ORDINALITY AS n (contact_id, hop) -- known to be in order: nothing is sorted
        CROSS JOIN LATERAL generations.edge_details(p.contact_ids[n.hop], n.contact_id) AS d
    ) AS hops
    ORDER BY p.position;
END
$function$;

COMMENT ON FUNCTION generations.deep_finder_v3(bigint, bigint, bigint, integer, integer, text, integer) IS 'Third generation of deep_finder: level by level, stops at the first depth that fills the request';

REVOKE ALL ON FUNCTION generations.deep_finder_v3(bigint, bigint, bigint, integer, integer, text, integer) FROM PUBLIC;
