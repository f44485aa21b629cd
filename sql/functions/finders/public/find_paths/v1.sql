-- connection_paths.find_paths(target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope,
--     impl, time_budget_ms, excluded_contact_ids, max_edges_per_hop, order_by, kinds, min_strength, ended_after,
--     via_organization_ids, not_via_organization_ids, opener_user_ids, max_per_introducer, with_names, ids_as_text)
--
-- Finds paths to a contact, grouped by chain, and returns one JSON document.
--
-- Parameters
--     target_contact_id         The contact to be introduced to. Required; an unknown id gives an empty answer.
--     collection_id             The collection whose members may be asked. Required; an unknown id gives an empty
--                               answer.
--     viewer_user_id            The user who asks. Required.
--     max_depth                 The most contacts on a path, 1 to 6.
--     max_paths                 The most chains to return, 1 to 1,000. A chain counts once, however many users open it.
--     seed_scope                Who may open a path: 'any' (every user of the collection) or 'importer' (only the
--                               viewer).
--     impl                      'v1' (legacy_finder) or 'v2' (deep_finder). NULL: the collection's row in
--                               finder_rollout, else 'v2'.
--     time_budget_ms            Milliseconds to answer in, 1 or more. The search ends after two thirds of them.
--     excluded_contact_ids      Contacts who may not be asked in this call, besides those in do_not_ask. At most
--                               10,000.
--     max_edges_per_hop         Through how many best edges of a contact the search goes on, 1 or more. NULL: all.
--     order_by                  Which edges and paths come first: 'recency' (those that end last) or 'strength' (the
--                               strongest).
--     kinds                     Only edges of these kinds. NULL: every kind.
--     min_strength              Only edges of at least this strength, 0 to 100. NULL: every edge.
--     ended_after               Only edges that go on, or end on this day or later. NULL: every edge.
--     via_organization_ids      Only edges of these organizations, 1 to 1,000 of them. NULL: every edge.
--     not_via_organization_ids  No edge of these organizations, at most 1,000 of them. NULL: every edge.
--     opener_user_ids           Only these users open paths, 1 to 1,000 of them. NULL: every user.
--     max_per_introducer        How many paths may have the same contact before the target, 1 or more. NULL: any
--                               number.
--     with_names                True: with the names of contacts, organizations and, where mapped, users.
--     ids_as_text               True: every id is a string, for languages whose numbers are doubles.
-- Returns
--     One JSON object with these keys.
--     impl       'v1' or 'v2': the implementation that answered.
--     total      How many paths the object holds.
--     truncated  True when more paths exist.
--     complete   False when the time ran out. The paths are right, but more may exist.
--     why        null when max_paths paths were found. Otherwise an object: its key reason says why there are no more
--                paths. See why_no_more.
--     paths      An array of paths, the best first. Each has the keys depth, user_ids (the users who can open the
--                path, the viewer first), contact_ids (from the first contact to the target), recency, strength and
--                tier (of the weakest hop; null at depth 1), and hops: one object per edge. A hop has the keys from,
--                to, kind, organization_id, date_from, date_to, strength, tier, overlap_days, people and
--                shared_organizations. With names, a path also has user_names and contact_names, and a hop from_name,
--                to_name and organization_name.
-- Errors
--     22004  An argument is NULL that must not be.
--     22023  An argument is outside its range.
-- Reads
--     finder_rollout
-- Writes
--     none
-- Used by
--     applications, orchestrator/finders/question.py, orchestrator/playground/answer.py
-- Why
--     One plan serves every call, and plans must read by index, in its order. deep_finder says why, and has the same
--     settings.
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
    max_edges_per_hop integer DEFAULT connection_paths.search_limit('max_edges_per_hop'),
    order_by text DEFAULT 'recency',
    kinds text[] DEFAULT NULL,
    min_strength integer DEFAULT NULL,
    ended_after date DEFAULT NULL,
    via_organization_ids bigint[] DEFAULT NULL,
    not_via_organization_ids bigint[] DEFAULT NULL,
    opener_user_ids bigint[] DEFAULT NULL,
    max_per_introducer integer DEFAULT NULL,
    with_names boolean DEFAULT false,
    ids_as_text boolean DEFAULT false
)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET jit = off
SET max_parallel_workers_per_gather = 0
SET enable_seqscan = off
SET enable_sort = off
SET enable_incremental_sort = off
SET enable_nestloop = off
SET enable_mergejoin = off
AS $function$
#variable_conflict use_column
DECLARE
    -- the last third is for ranking what was found and looking up its details
    deadline CONSTANT timestamptz := clock_timestamp() + make_interval(secs => time_budget_ms / 1500.0);
    excluded CONSTANT bigint[] := connection_paths.checked_exclusions(excluded_contact_ids);
    chosen text;
    request connection_paths.search_request;
    found record;
    number integer; -- of paths found, one more than wanted at most
    paths jsonb;
    why jsonb;
BEGIN
    request := connection_paths.checked_request(
        target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope, max_edges_per_hop, order_by,
        kinds, min_strength, ended_after, via_organization_ids, not_via_organization_ids, opener_user_ids,
        max_per_introducer
    );
    IF time_budget_ms IS NULL THEN
        RAISE EXCEPTION 'time_budget_ms must not be null'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Allowed: 1 or more.';
    ELSIF time_budget_ms < 1 THEN
        RAISE EXCEPTION 'time_budget_ms must be 1 or more, not %', time_budget_ms
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Allowed: 1 or more.';
    ELSIF impl NOT IN ('v1', 'v2') THEN
        RAISE EXCEPTION 'impl must be v1 or v2, not %', quote_literal(impl)
            USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Allowed: v1 or v2, or NULL for the implementation of the collection.';
    ELSIF with_names IS NULL OR ids_as_text IS NULL THEN
        RAISE EXCEPTION '% must not be null', CASE WHEN with_names IS NULL THEN 'with_names' ELSE 'ids_as_text' END
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Allowed: true or false.';
    END IF;

    chosen := COALESCE(
        impl,
        (SELECT r.impl FROM connection_paths.finder_rollout AS r WHERE r.collection_id = find_paths.collection_id),
        'v2'
    );
    request.max_found := max_paths + 1; -- one more shows that there are more
    request.by_chain := true;
    request.excluded_contact_ids := excluded;
    request.nobody_is_excluded := request.nobody_is_excluded AND excluded = '{}';
    request.deadline := deadline;
    IF chosen = 'v1' THEN
        request.max_depth := LEAST(max_depth, 2);
        request.max_edges_per_hop := NULL;
        request.given_edges := '{}';
        IF max_depth = 1 OR clock_timestamp() < deadline THEN
            request.given_edges := connection_paths.edges_from_experiences(target_contact_id);
        END IF;
    END IF;

    found := connection_paths.search(request);
    number := cardinality(found.paths);

    SELECT d.documents
    INTO paths
    FROM connection_paths.path_documents(request, found.paths[:max_paths], with_names, ids_as_text) AS d;
    IF number < max_paths THEN
        why := connection_paths.why_no_more(
            request, chosen, number, found.is_complete, found.level_reached, found.is_cut, found.is_limited
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

COMMENT ON FUNCTION connection_paths.find_paths(bigint, bigint, bigint, integer, integer, text, text, integer, bigint[], integer, text, text[], integer, date, bigint[], bigint[], bigint[], integer, boolean, boolean) IS 'Finds introduction paths to a contact, grouped by chain, and returns JSON. Applications call this function. Contacts in excluded_contact_ids, and those in do_not_ask for the collection, are on no path. When fewer than max_paths paths are found, the key why says the reason';

REVOKE ALL ON FUNCTION connection_paths.find_paths(bigint, bigint, bigint, integer, integer, text, text, integer, bigint[], integer, text, text[], integer, date, bigint[], bigint[], bigint[], integer, boolean, boolean)
FROM PUBLIC;
