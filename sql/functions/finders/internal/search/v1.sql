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
--     none
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
    -- until when chains are made of what was read before the deadline
    last_minute CONSTANT timestamptz := request.deadline + (request.deadline - clock_timestamp()) / 4;
    tree_recencies date[] := ARRAY[NULL::date];
    front integer[] := '{1}'; -- chains from which the search goes on
    most_hashed integer := 0; -- a collection of at most so many entries is read as a whole
    is_hashed boolean := false;
    missing integer;
    first_chain integer; -- of those added to the tree at this level
    found record;
    open record; -- the chains from which the search may go on
BEGIN
    tree_contacts := ARRAY[request.target_contact_id];
    tree_parents := '{0}';
    chains := '{}';
    recencies := '{}';
    users := '{}';
    is_complete := true;
    level_reached := 1;
    is_cut := false;
    FOR level IN 1..request.max_depth LOOP
        missing := request.max_found - cardinality(chains);
        IF NOT is_hashed AND (
            level > 2 AND most_hashed < connection_paths.search_limit('hashed_each') * GREATEST(cardinality(front), 50)
            OR level = 2 AND EXISTS (
                SELECT
                FROM connection_paths.contact_edges(request.target_contact_id, request.given_edges)
                OFFSET connection_paths.search_limit('looked_up')
            )
        ) THEN
            most_hashed := connection_paths.search_limit('hashed_each') * GREATEST(cardinality(front), 50);
            is_hashed := connection_paths.has_at_most(request.collection_id, most_hashed);
        END IF;

        IF level = 1 THEN
            SELECT o.* INTO found FROM connection_paths.target_openers(request) AS o;
        ELSIF level = 2 THEN
            SELECT n.* INTO found FROM connection_paths.members_near_target(request, missing, is_hashed) AS n;
        ELSE
            SELECT n.*
            INTO found
            FROM connection_paths.next_contacts(
                request, tree_contacts, tree_parents, tree_recencies, front, level, missing, is_hashed, last_minute
            ) AS n;
        END IF;
        open := found;
        IF level = 2
            AND request.seed_scope = 'importer'
            AND (found.number = 0 OR found.number < missing AND request.max_depth > 2)
        THEN
            -- the search goes on from members whom others brought in, too
            SELECT n.*
            INTO open
            FROM connection_paths.next_contacts(
                request, tree_contacts, tree_parents, tree_recencies, front, level, missing, is_hashed, last_minute
            ) AS n;
        END IF;
        is_complete := (clock_timestamp() < request.deadline) IS NOT FALSE;
        IF open.number > 0 OR found.number > 0 THEN
            level_reached := level;
            is_cut := is_cut OR open.is_cut AND request.max_depth > 2;
        END IF;

        first_chain := cardinality(tree_contacts) + 1;
        tree_contacts := tree_contacts || found.contacts || open.open_contacts;
        tree_parents := tree_parents || found.parents || open.open_parents;
        tree_recencies := tree_recencies || found.recencies || open.open_recencies;
        chains := chains || ARRAY(SELECT generate_series(first_chain, first_chain + cardinality(found.contacts) - 1));
        recencies := recencies || found.recencies;
        users := users || found.users;
        EXIT WHEN NOT is_complete
            OR cardinality(chains) >= request.max_found
            OR level > 1 AND open.open_contacts IS NULL;
        IF level > 1 THEN
            first_chain := cardinality(tree_contacts) - cardinality(open.open_contacts) + 1;
            front := ARRAY(SELECT generate_series(first_chain, cardinality(tree_contacts)));
        END IF;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.search(connection_paths.search_request) IS 'Search for introduction paths depth by depth: a tree of chains, and which of them were found';

REVOKE ALL ON FUNCTION connection_paths.search(connection_paths.search_request) FROM PUBLIC;
