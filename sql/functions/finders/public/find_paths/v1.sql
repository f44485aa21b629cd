-- connection_paths.find_paths(...): the application's entry: paths grouped by contact chain, as one JSON document.
--
-- target_contact_id, collection_id, viewer_user_id, max_depth, seed_scope   as for deep_finder
-- max_paths       how many chains, 1..1000; a chain counts once, however many users can open it
-- impl            'v1' = legacy_finder, 'v2' = deep_finder; NULL: the collection's row in finder_rollout, else 'v2'
-- time_budget_ms  milliseconds to answer in; a search that needs longer stops, in the middle of a depth if need be
-- excluded_contact_ids  people not to be asked in this search, besides the collection's in do_not_ask: they stand on no
--                       path but as its target. At most 10,000; twice is as good as once.
--
-- Returns {"impl", "total", "truncated", "complete", "why", "paths": [{"depth", "user_ids", "contact_ids", "recency",
-- "hops": [{"from", "to", "kind", "organization_id", "date_from", "date_to"}]}]}, chains by depth, recency, those the
-- viewer can open first, contact ids; user_ids with the viewer first. total counts the paths returned, truncated says
-- that there are more, complete is false when the time ran out: the paths are right, but of the depth the search was at
-- others may be missing, and deeper ones were not looked for. why is null where max_paths were found, else it is what
-- why_no_more returns: a reason and numbers.
--
-- Under v2, search counts chains, so only one chain more than wanted is fetched; it shows whether there are more. v1 is
-- legacy_paths.
--
-- Settings: see deep_finder_v3. Errors: see check_finder_arguments.
CREATE OR REPLACE FUNCTION connection_paths.find_paths(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer DEFAULT 2,
    max_paths integer DEFAULT 25,
    seed_scope text DEFAULT 'any',
    impl text DEFAULT NULL,
    time_budget_ms integer DEFAULT 1500,
    excluded_contact_ids bigint[] DEFAULT '{}',
    max_edges_per_hop integer DEFAULT connection_paths.search_limit('max_edges_per_hop')
)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
SET enable_seqscan = off
SET enable_sort = off
SET enable_nestloop = off
SET enable_mergejoin = off
AS $function$
#variable_conflict use_column
DECLARE
    -- the last third is for ranking what was found and looking up its details
    deadline CONSTANT timestamptz := clock_timestamp() + make_interval(secs => time_budget_ms / 1500.0);
    most_excluded CONSTANT integer := connection_paths.search_limit('most_excluded');
    is_usable CONSTANT boolean := connection_paths.check_finder_arguments(
        target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope, max_edges_per_hop
    );
    excluded bigint[] := '{}'; -- in order
    chosen text;
    request connection_paths.search_request;
    found record;
    number integer; -- of paths found, one more than wanted at most
    paths jsonb;
    why jsonb;
BEGIN
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
    ELSIF excluded_contact_ids IS NULL THEN
        RAISE EXCEPTION 'excluded_contact_ids must not be null'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Give ids of contacts, or ''{}'' for nobody.';
    ELSIF cardinality(excluded_contact_ids) > most_excluded THEN
        RAISE EXCEPTION 'excluded_contact_ids must be % at most, not %', most_excluded, cardinality(excluded_contact_ids)
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Who is never to be asked in a collection belongs in connection_paths.do_not_ask.';
    ELSIF excluded_contact_ids <> '{}' THEN
        excluded := ARRAY(
            SELECT DISTINCT x.contact_id FROM unnest(excluded_contact_ids) AS x (contact_id) ORDER BY x.contact_id
        );
        IF excluded[cardinality(excluded)] IS NULL THEN
            RAISE EXCEPTION 'excluded_contact_ids must not hold a null'
                USING ERRCODE = 'null_value_not_allowed', HINT = 'Give ids of contacts, or ''{}'' for nobody.';
        END IF;
    END IF;

    chosen := COALESCE(
        impl,
        (SELECT r.impl FROM connection_paths.finder_rollout AS r WHERE r.collection_id = find_paths.collection_id),
        'v2'
    );
    request := ROW(
        target_contact_id, collection_id, viewer_user_id, max_depth,
        max_paths + 1, -- one more shows that there are more
        seed_scope, max_edges_per_hop, excluded,
        excluded = '{}' AND NOT EXISTS (
            SELECT FROM connection_paths.do_not_ask AS d WHERE d.collection_id = find_paths.collection_id
        ),
        true, deadline, NULL
    );
    IF chosen = 'v1' THEN
        request.max_depth := LEAST(max_depth, 2);
        request.max_edges_per_hop := NULL;
        request.given_edges := '{}';
        IF max_depth = 1 OR clock_timestamp() < deadline THEN
            request.given_edges := connection_paths.edges_from_experiences(target_contact_id);
        END IF;
    END IF;

    SELECT s.* INTO found FROM connection_paths.search(request) AS s;
    number := cardinality(found.chains);

    SELECT jsonb_agg(
        jsonb_build_object(
            'depth', cardinality(p.contact_ids),
            'user_ids', u.user_ids,
            'contact_ids', p.contact_ids,
            'recency', p.recency,
            'hops', COALESCE(h.hops, '[]')
        )
        ORDER BY p.position
    )
    INTO paths
    FROM (
        SELECT
            f.position,
            connection_paths.chain_contacts(found.tree_contacts, found.tree_parents, f.chain) AS contact_ids,
            f.recency
        FROM unnest(found.chains[:max_paths], found.recencies[:max_paths])
            WITH ORDINALITY AS f (chain, recency, position)
        OFFSET 0
    ) AS p
    CROSS JOIN LATERAL (
        SELECT array_agg(o.user_id ORDER BY o.user_id <> find_paths.viewer_user_id, o.user_id) AS user_ids
        FROM (
            SELECT DISTINCT m.user_id
            FROM connection_paths.collection_members AS m
            WHERE m.collection_id = find_paths.collection_id
                AND m.contact_id = p.contact_ids[1]
                AND (find_paths.seed_scope = 'any' OR m.user_id = find_paths.viewer_user_id)
        ) AS o
    ) AS u
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(
            jsonb_build_object(
                'from', p.contact_ids[i.hop],
                'to', p.contact_ids[i.hop + 1],
                'kind', e.kind,
                'organization_id', e.organization_id,
                'date_from', e.date_from,
                'date_to', e.date_to
            )
            ORDER BY i.hop
        ) AS hops
        FROM generate_series(1, cardinality(p.contact_ids) - 1) AS i (hop)
        CROSS JOIN LATERAL connection_paths.edge_details(
            p.contact_ids[i.hop], p.contact_ids[i.hop + 1], request.given_edges
        ) AS e
    ) AS h;

    IF number < max_paths THEN
        why := connection_paths.why_no_more(
            request, chosen, number, found.is_complete, found.level_reached, found.is_cut
        );
    END IF;

    RETURN jsonb_build_object(
        'impl', chosen,
        'total', LEAST(number, max_paths),
        'truncated', number > max_paths,
        'complete', found.is_complete,
        'why', why,
        'paths', COALESCE(paths, '[]')
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.find_paths(bigint, bigint, bigint, integer, integer, text, text, integer, bigint[], integer) IS 'Introduction paths to a contact, grouped by contact chain, as JSON: the application''s entry. Nobody in excluded_contact_ids, nor of the collection in do_not_ask, is asked on the way. Where fewer than max_paths are found, "why" says why';

REVOKE ALL ON FUNCTION connection_paths.find_paths(bigint, bigint, bigint, integer, integer, text, text, integer, bigint[], integer)
FROM PUBLIC;
