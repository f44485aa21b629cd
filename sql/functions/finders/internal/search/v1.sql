-- connection_paths.search(request)
--
-- Searches for paths to a contact, depth by depth, and ends at the first depth that fills the request.
--
-- Parameters
--     request  What is asked, already checked. Required.
-- Returns
--     Arrays that describe what was found.
--     tree_contacts  The first contact of each chain looked at.
--     tree_parents   The rest of each chain, itself a chain; 0 for the target alone.
--     chains         The chains found, the best first; see chain_contacts.
--     recencies      The recency of each; NULL at depth 1.
--     users          The user who opens each; NULL where a chain counts once.
--     is_complete    False when the deadline passed: what was found is right, but more may exist.
--     level_reached  Contacts on the longest chain looked at.
--     is_cut         True when the cap kept the search from going on from some chain, or from looking at one.
-- Errors
--     none
-- Reads
--     collection_members
-- Writes
--     none
-- Used by
--     find_paths, deep_finder, legacy_finder
-- Why
--     Depth is the first sort key. Once a depth is complete and enough is found, deeper paths cannot matter.
--     Depth 2 is complete whatever the cap: every member who shares an edge with the target opens.
--     The search runs under the settings of the finder that called it. Setting them again costs 20 us.
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
    kinds CONSTANT integer := cardinality(enum_range(NULL::connection_paths.connection_kind));
    -- until when chains are made of what was read before the deadline
    last_minute CONSTANT timestamptz := request.deadline + (request.deadline - clock_timestamp()) / 4;
    tree_recencies date[] := ARRAY[NULL::date];
    -- what contacts lead to, and whose members are, as far as known: see next_contacts
    list_contacts bigint[] := '{}';
    list_numbers bigint[] := '{}';
    list_neighbours bigint[] := '{}';
    list_recencies date[] := '{}';
    known_contacts bigint[] := '{}';
    known_users bigint[] := '{}';
    all_members bigint[];
    share double precision;
    -- the level at hand
    first_chain integer := 1;
    level_contacts bigint[] := ARRAY[request.target_contact_id];
    level_recencies date[] := tree_recencies;
    open_chains integer[] := '{1}'; -- those from which the search goes on
    new_contacts bigint[] := level_contacts;
    target_contacts bigint[];
    target_users bigint[];
    missing integer;
    step record;
    best record;
BEGIN
    tree_contacts := level_contacts;
    tree_parents := '{0}';
    chains := '{}';
    users := '{}';
    is_complete := true;
    level_reached := 1;
    is_cut := false;
    SELECT array_agg(m.contact_id), array_agg(m.user_id)
    INTO target_contacts, target_users
    FROM connection_paths.collection_members AS m
    WHERE m.collection_id = request.collection_id AND m.contact_id = request.target_contact_id;

    FOR level IN 1..request.max_depth LOOP
        missing := request.max_found - cardinality(chains);
        IF level > 1 THEN
            IF new_contacts <> '{}' THEN
                SELECT
                    n.list_contacts, n.list_numbers, n.list_neighbours, n.list_recencies,
                    n.known_contacts, n.known_users, n.all_members, n.share
                INTO
                    list_contacts, list_numbers, list_neighbours, list_recencies,
                    known_contacts, known_users, all_members, share
                FROM connection_paths.next_contacts(
                    request, new_contacts, CASE level WHEN 2 THEN missing END, list_contacts, list_numbers,
                    list_neighbours, list_recencies, known_contacts, known_users, all_members, share
                ) AS n;
            END IF;
            is_complete := request.deadline IS NULL OR clock_timestamp() < request.deadline;
            EXIT WHEN list_neighbours = '{}';
            SELECT x.*
            INTO step
            FROM connection_paths.extended_chains(
                tree_contacts, tree_parents, tree_recencies, open_chains, list_contacts, list_numbers, list_neighbours,
                list_recencies, request.max_edges_per_hop, level = 2, kinds, last_minute
            ) AS x;
            is_complete := request.deadline IS NULL OR clock_timestamp() < request.deadline;
            is_cut := is_cut OR step.is_cut AND request.max_depth > 2;
            EXIT WHEN step.contacts IS NULL;
            level_reached := level;
            level_contacts := step.contacts;
            level_recencies := step.recencies;
            first_chain := cardinality(tree_contacts) + 1;
            tree_contacts := tree_contacts || level_contacts;
            tree_parents := tree_parents || step.parents;
            tree_recencies := tree_recencies || level_recencies;
        END IF;

        IF level > 1 OR target_contacts IS NOT NULL THEN
            SELECT array_agg(first_chain + r.number::integer - 1) AS chains, array_agg(r.user_id) AS users
            INTO best
            FROM connection_paths.rank_chains(
                level_contacts, level_recencies,
                CASE level WHEN 1 THEN target_contacts ELSE known_contacts END,
                CASE level WHEN 1 THEN target_users ELSE known_users END,
                request.viewer_user_id, request.seed_scope, request.by_chain, missing
            ) AS r;
            chains := chains || best.chains;
            users := users || best.users;
        END IF;
        EXIT WHEN NOT is_complete OR cardinality(chains) >= request.max_found OR level = request.max_depth;
        IF level > 1 THEN
            open_chains := ARRAY(
                SELECT first_chain + c.number::integer - 1
                FROM unnest(step.goes_on) WITH ORDINALITY AS c (goes_on, number)
                WHERE c.goes_on
            );
            new_contacts := ARRAY(
                SELECT DISTINCT tree_contacts[c.number]
                FROM unnest(open_chains) AS c (number)
                WHERE tree_contacts[c.number] NOT IN (SELECT l.contact_id FROM unnest(list_contacts) AS l (contact_id))
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
