-- connection_paths.search(request)
--
-- Searches for paths to a contact, depth by depth, and ends at the first depth that fills the request.
--
-- Parameters
--     request  What is asked, already checked. Required.
-- Returns
--     Arrays that describe what was found.
--     tree_contacts  The first contact of each chain from which the search went on; the first one is the target.
--     tree_parents   The rest of each of these chains, itself a chain of the tree; 0 for the target alone.
--     contacts       The first contact of each path found, the best path first.
--     parents        The rest of each path, a chain of the tree; 0 where the target is the first contact.
--     recencies      The recency of each path; NULL at depth 1.
--     users          The user who opens each path; NULL where a chain counts once.
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
--     Depth 2 is complete whatever the cap: every member who shares an edge with the target opens. Most answers need a
--     small part of a hub's edges. So the search reads some edges of the target, and reads again, further, until no
--     edge that was not read can change the answer (docs/adr/0014-depth-two-is-complete.md).
--     The search runs under the settings of the finder that called it. Setting them again costs 20 us.
CREATE OR REPLACE FUNCTION connection_paths.search(
    request connection_paths.search_request,
    OUT tree_contacts bigint[],
    OUT tree_parents integer[],
    OUT contacts bigint[],
    OUT parents integer[],
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
    most_edges bigint := CASE WHEN request.max_depth > 1 THEN connection_paths.search_limit('read_first') ELSE 0 END;
    is_hashed boolean := false; -- the collection is small, and read as a whole
    only_user_id bigint; -- the viewer, as soon as only the viewer's contacts are missing
    near record; -- the target and its neighbours, as far as they are members
    members record; -- the same for all users, as far as the search needs them to go on
    other_recency date; -- the earliest one of paths that the viewer does not open
    tree_recencies date[] := '{-infinity}';
    first_open integer := 2; -- the first of the chains from which the search goes on; they are the end of the tree
    open_number integer; -- of these chains
    longer record;
BEGIN
    tree_contacts := ARRAY[request.target_contact_id];
    tree_parents := '{0}';
    contacts := '{}';
    level_reached := 1;
    is_cut := false;
    LOOP
        SELECT m.* INTO near FROM connection_paths.near_members(request, most_edges, only_user_id) AS m;
        IF only_user_id IS NULL THEN
            members := near;
        END IF;
        IF request.seed_scope = 'any' AND near.user_ids IS NOT NULL OR request.viewer_user_id = ANY (near.user_ids) THEN
            SELECT p.contacts, p.parents, p.recencies, p.users, p.other_recency
            INTO contacts, parents, recencies, users, other_recency
            FROM connection_paths.near_paths(request, near.contact_ids, near.date_tos, near.user_ids) AS p;
        END IF;
        is_complete := (clock_timestamp() < request.deadline) IS NOT FALSE;
        EXIT WHEN near.read_to IS NULL OR request.max_depth = 1 OR NOT is_complete;
        IF cardinality(contacts) = request.max_found THEN
            EXIT WHEN near.read_to < LEAST(other_recency, current_date);
            EXIT WHEN other_recency IS NULL AND NOT EXISTS ( -- these tie, but are read in the order of their last days
                SELECT FROM connection_paths.contact_edges(request.target_contact_id, request.given_edges) AS e
                WHERE e.date_to >= current_date
            );
            most_edges := most_edges * 4;
        ELSIF cardinality(contacts) < 2 AND (cardinality(members.contact_ids) > most_edges / 2) IS NOT TRUE THEN
            most_edges := NULL; -- few neighbours are members: then looking all of them up is fast
        ELSE -- half as many again as would be enough if the rest were like these
            most_edges := most_edges * GREATEST(2, 3 * request.max_found / (2 * GREATEST(cardinality(contacts), 1)));
        END IF;
        IF request.seed_scope = 'importer' AND only_user_id IS NULL AND (
            SELECT count(DISTINCT m.contact_id) > CASE WHEN request.max_depth > 2 THEN request.max_edges_per_hop ELSE 0 END
            FROM unnest(members.contact_ids) AS m (contact_id)
            WHERE m.contact_id <> request.target_contact_id
        ) THEN
            only_user_id := request.viewer_user_id;
        END IF;
    END LOOP;
    IF request.target_contact_id <> ANY (members.contact_ids) THEN
        level_reached := 2;
    END IF;
    IF level_reached = 1 OR request.max_depth = 2 OR NOT is_complete OR cardinality(contacts) = request.max_found THEN
        RETURN;
    END IF;

    SELECT
        tree_contacts || array_agg(m.contact_id ORDER BY m.contact_id), tree_parents || array_agg(1),
        tree_recencies || array_agg(LEAST(m.last_day, current_date) ORDER BY m.contact_id),
        COALESCE(max(m.number) > request.max_edges_per_hop, false)
    INTO tree_contacts, tree_parents, tree_recencies, is_cut
    FROM (
        SELECT m.contact_id, max(COALESCE(m.date_to, 'infinity')) AS last_day, count(*) OVER () AS number
        FROM unnest(members.contact_ids, members.date_tos) AS m (contact_id, date_to)
        WHERE m.contact_id <> request.target_contact_id
        GROUP BY m.contact_id
        ORDER BY last_day DESC, m.contact_id
        LIMIT request.max_edges_per_hop
    ) AS m;
    FOR level IN 3..request.max_depth LOOP
        open_number := cardinality(tree_contacts) - first_open + 1;
        is_hashed := is_hashed OR NOT EXISTS (
            SELECT FROM connection_paths.collection_members AS m
            WHERE m.collection_id = request.collection_id
            OFFSET LEAST(
                open_number * connection_paths.search_limit('hashed_few'),
                GREATEST(connection_paths.search_limit('hashed'), open_number * connection_paths.search_limit('hashed_each'))
            )
        );
        SELECT n.* INTO longer FROM connection_paths.next_contacts(
            request, tree_contacts, tree_parents, tree_recencies, first_open, level,
            request.max_found - cardinality(contacts), is_hashed, last_minute
        ) AS n;
        is_complete := (clock_timestamp() < request.deadline) IS NOT FALSE;
        IF longer.number > 0 THEN
            level_reached := level;
            is_cut := is_cut OR longer.is_cut;
        END IF;
        contacts := contacts || longer.contacts;
        parents := parents || longer.parents;
        recencies := recencies || longer.recencies;
        users := users || longer.users;
        EXIT WHEN NOT is_complete OR cardinality(contacts) = request.max_found OR longer.open_contacts IS NULL;
        first_open := cardinality(tree_contacts) + 1;
        tree_contacts := tree_contacts || longer.open_contacts;
        tree_parents := tree_parents || longer.open_parents;
        tree_recencies := tree_recencies || longer.open_recencies;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.search(connection_paths.search_request) IS 'Search for introduction paths depth by depth: a tree of chains, and which of them were found';

REVOKE ALL ON FUNCTION connection_paths.search(connection_paths.search_request) FROM PUBLIC;
