CREATE OR REPLACE FUNCTION connection_paths.deep_finder(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer DEFAULT 2,
    max_paths integer DEFAULT 25,
    seed_scope text DEFAULT 'any',
    max_edges_per_hop integer DEFAULT connection_paths.search_limit('max_edges_per_hop')
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
SET enable_nestloop = off
SET enable_mergejoin = off
AS $function$
#variable_conflict use_column
DECLARE
    is_usable CONSTANT boolean := connection_paths.check_finder_arguments(
        target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope, max_edges_per_hop
    );
    request connection_paths.search_request;
    found record;
BEGIN
    request := ROW(
        target_contact_id, collection_id, viewer_user_id, max_depth, max_paths, seed_scope, max_edges_per_hop,
        '{}', NOT EXISTS (
            SELECT FROM connection_paths.do_not_ask AS d WHERE d.collection_id = deep_finder.collection_id
        ), false, NULL, NULL
    );
    SELECT s.* INTO found FROM connection_paths.search(request) AS s;
    IF found.chains = '{}' THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT p.depth, p.user_id, p.contact_ids, p.organization_ids, p.date_froms, p.date_tos, p.recency
    FROM connection_paths.path_rows(
        found.tree_contacts, found.tree_parents, found.chains, found.users, found.recencies, request.given_edges
    ) AS p;
END
$function$;

COMMENT ON FUNCTION connection_paths.deep_finder(bigint, bigint, bigint, integer, integer, text, integer) IS 'Introduction paths to a contact, a row per path and user, best first';

REVOKE ALL ON FUNCTION connection_paths.deep_finder(bigint, bigint, bigint, integer, integer, text, integer) FROM PUBLIC;
