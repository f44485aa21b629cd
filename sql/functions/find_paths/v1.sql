-- connection_paths.find_paths(…): the application's entry: paths grouped by contact chain, as one JSON document.
--
-- target_contact_id, collection_id, viewer_user_id, max_depth, seed_scope   as for deep_finder
-- max_paths       how many chains, 1..1000; a chain counts once, however many users can open it
-- impl            'v1' = legacy_finder, 'v2' = deep_finder; NULL: the collection's row in finder_rollout, else 'v2'
-- time_budget_ms  after so many milliseconds no further depth is begun
--
-- Returns {"impl", "total", "truncated", "complete", "paths": [{"depth", "user_ids", "contact_ids", "recency",
-- "hops": [{"from", "to", "kind", "organization_id", "date_from", "date_to"}]}]}, chains by depth, recency, those the
-- viewer can open first, contact ids; user_ids with the viewer first. total counts the paths returned, truncated says
-- that there are more, complete is false when the time ran out before the last depth.
--
-- One plan serves every call (force_generic_plan): left to choose, PostgreSQL plans the statement anew each time, because
-- a plan for a known implementation looks cheaper, and planning costs more than a call at depth 2.
--
-- Depth is the first sort key, so depths are searched one after the other, and a depth that fills the request ends the
-- search exactly. Errors: see check_finder_arguments.
CREATE OR REPLACE FUNCTION connection_paths.find_paths(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer DEFAULT 2,
    max_paths integer DEFAULT 25,
    seed_scope text DEFAULT 'any',
    impl text DEFAULT NULL,
    time_budget_ms integer DEFAULT 1500
)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET jit = off
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_sort = off
AS $function$
#variable_conflict use_column
DECLARE
    max_edges_per_hop CONSTANT integer := 15;
    deadline timestamptz := clock_timestamp() + make_interval(secs => time_budget_ms / 1000.0);
    chosen text;
    deepest integer;
    paths jsonb[] := '{}';
    level_paths jsonb[];
    is_complete boolean := true;
BEGIN
    PERFORM connection_paths.check_finder_arguments(
        target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope, max_edges_per_hop
    );
    IF time_budget_ms IS NULL THEN
        RAISE EXCEPTION 'time_budget_ms must not be null'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Allowed are 1 and more.';
    ELSIF time_budget_ms < 1 THEN
        RAISE EXCEPTION 'time_budget_ms must be 1 or more, not %', time_budget_ms
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Allowed are 1 and more.';
    ELSIF impl NOT IN ('v1', 'v2') THEN
        RAISE EXCEPTION 'impl must be v1 or v2, not %', quote_literal(impl)
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Allowed are ''v1'' and ''v2'', or NULL for the collection''s own.';
    END IF;

    chosen := COALESCE(
        impl,
        (SELECT r.impl FROM connection_paths.finder_rollout AS r WHERE r.collection_id = find_paths.collection_id),
        'v2'
    );
    deepest := CASE chosen WHEN 'v1' THEN LEAST(max_depth, 2) ELSE max_depth END;

    FOR level IN 1..deepest LOOP
        -- chosen is tested within each branch as well: a branch not taken is never run
        WITH chains AS (
            SELECT w.depth, w.contact_ids, w.recency, NULL::bigint AS organization_id,
                NULL::date AS date_from, NULL::date AS date_to
            FROM connection_paths.walk(
                find_paths.target_contact_id, find_paths.collection_id, level, max_edges_per_hop
            ) AS w
            WHERE chosen = 'v2' AND w.depth = level
            UNION ALL
            SELECT w.depth, w.contact_ids, w.recency, w.organization_id, w.date_from, w.date_to
            FROM connection_paths.legacy_walk(find_paths.target_contact_id, find_paths.collection_id) AS w
            WHERE chosen = 'v1' AND w.depth = level
        ),
        best AS (
            SELECT c.*, u.user_ids
            FROM chains AS c
            CROSS JOIN LATERAL (
                SELECT array_agg(o.user_id ORDER BY o.user_id <> find_paths.viewer_user_id, o.user_id) AS user_ids
                FROM connection_paths.openers(
                    c.contact_ids[1], find_paths.collection_id, find_paths.viewer_user_id, find_paths.seed_scope
                ) AS o
            ) AS u
            WHERE u.user_ids IS NOT NULL
            ORDER BY c.recency DESC, u.user_ids[1] = find_paths.viewer_user_id DESC, c.contact_ids
            -- one more than wanted says whether there are more
            LIMIT find_paths.max_paths + 1 - cardinality(paths)
        )
        SELECT array_agg(
            jsonb_build_object(
                'depth', b.depth,
                'user_ids', b.user_ids,
                'contact_ids', b.contact_ids,
                'recency', b.recency,
                'hops', COALESCE(h.hops, '[]')
            )
            ORDER BY b.recency DESC, b.user_ids[1] = find_paths.viewer_user_id DESC, b.contact_ids
        )
        INTO level_paths
        FROM best AS b
        CROSS JOIN LATERAL (
            SELECT jsonb_agg(
                jsonb_build_object(
                    'from', b.contact_ids[i.hop],
                    'to', b.contact_ids[i.hop + 1],
                    'kind', d.kind,
                    'organization_id', d.organization_id,
                    'date_from', d.date_from,
                    'date_to', d.date_to
                )
                ORDER BY i.hop
            ) AS hops
            FROM generate_series(1, b.depth - 1) AS i (hop)
            CROSS JOIN LATERAL (
                SELECT e.kind::text, e.organization_id, e.date_from, e.date_to
                FROM connection_paths.edge_details(b.contact_ids[i.hop], b.contact_ids[i.hop + 1]) AS e
                WHERE chosen = 'v2'
                UNION ALL
                SELECT 'work_overlap', b.organization_id, b.date_from, b.date_to
                WHERE chosen = 'v1'
            ) AS d
        ) AS h;

        paths := paths || COALESCE(level_paths, '{}');
        EXIT WHEN cardinality(paths) > max_paths;
        IF level < deepest AND clock_timestamp() >= deadline THEN
            is_complete := false;
            EXIT;
        END IF;
    END LOOP;

    RETURN jsonb_build_object(
        'impl', chosen,
        'total', LEAST(cardinality(paths), max_paths),
        'truncated', cardinality(paths) > max_paths,
        'complete', is_complete,
        'paths', to_jsonb(paths[:max_paths])
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.find_paths(bigint, bigint, bigint, integer, integer, text, text, integer) IS 'Introduction paths to a contact, grouped by contact chain, as JSON: the application''s entry';

REVOKE ALL ON FUNCTION connection_paths.find_paths(bigint, bigint, bigint, integer, integer, text, text, integer)
FROM PUBLIC;
