CREATE OR REPLACE FUNCTION connection_paths.search(
    request connection_paths.search_request,
    OUT tree_contacts bigint[],
    OUT tree_parents integer[],
    OUT chains integer[],
    OUT recencies date[],
    OUT users bigint[],
    OUT is_complete boolean,
    OUT level_reached integer,
    OUT is_cut boolean
)
RETURNS record
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    tree_recencies date[] := ARRAY[NULL::date];
    -- the depth at hand
    first_chain integer := 1;
    level_contacts bigint[] := ARRAY[request.target_contact_id];
    level_recencies date[] := ARRAY[NULL::date];
    next record;
    best_chains integer[];
    best_users bigint[];
    open_chains integer[] := ARRAY[1];
    -- what is known of the collection
    members bigint[] := '{}';
    of_viewer bigint[] := '{}';
    has_all_members boolean := false;
    share double precision;
BEGIN
    tree_contacts := ARRAY[request.target_contact_id];
    tree_parents := ARRAY[0];
    chains := '{}';
    users := '{}';
    is_complete := true;
    level_reached := 1;
    is_cut := false;

    FOR level IN 1..request.max_depth LOOP
        IF level > 1 THEN
            SELECT n.*
            INTO next
            FROM connection_paths.next_contacts(
                request, level, request.max_found - cardinality(chains), tree_contacts, tree_parents, tree_recencies,
                open_chains, members, of_viewer, has_all_members, share
            ) AS n;
            is_complete := request.deadline IS NULL OR clock_timestamp() < request.deadline;
            is_cut := is_cut OR next.is_cut;
            level_reached := CASE WHEN next.is_reached THEN level ELSE level_reached END;
            EXIT WHEN next.contacts IS NULL;
            level_contacts := next.contacts;
            level_recencies := next.recencies;
            first_chain := cardinality(tree_contacts) + 1;
            tree_contacts := tree_contacts || level_contacts;
            tree_parents := tree_parents || next.parents;
            tree_recencies := tree_recencies || level_recencies;
            members := next.members;
            of_viewer := next.of_viewer;
            has_all_members := next.has_all_members;
            share := next.share;
        END IF;

        SELECT array_agg(first_chain + r.number::integer - 1), array_agg(r.user_id)
        INTO best_chains, best_users
        FROM connection_paths.rank_chains(
            level_contacts, level_recencies, request.collection_id, request.viewer_user_id, request.seed_scope,
            request.by_chain, CASE WHEN level > 1 AND request.seed_scope = 'importer' THEN of_viewer END,
            request.max_found - cardinality(chains)
        ) AS r;
        chains := chains || best_chains;
        users := users || best_users;
        EXIT WHEN NOT is_complete OR cardinality(chains) >= request.max_found OR level = request.max_depth;
        IF level > 1 THEN
            open_chains := ARRAY(
                SELECT first_chain + c.number::integer - 1
                FROM unnest(next.places) WITH ORDINALITY AS c (place, number)
                WHERE c.place <= COALESCE(request.max_edges_per_hop, c.place)
            );
        END IF;
    END LOOP;
    recencies := ARRAY(
        SELECT tree_recencies[c.chain] FROM unnest(chains) WITH ORDINALITY AS c (chain, position) ORDER BY c.position
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.search(connection_paths.search_request) IS 'Search for introduction paths depth by depth: a tree of chains, and which of them were found';

REVOKE ALL ON FUNCTION connection_paths.search(connection_paths.search_request) FROM PUBLIC;
