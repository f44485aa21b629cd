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
--     is_limited     True when max_per_introducer left a path out.
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
--     Depth 2 is complete whatever the cap: the search finds every path through a member who shares an edge with the
--     target. Most answers need a small part of a hub's edges. So the search reads some edges of the target, and reads
--     again, further, until no edge that was not read can change the answer (docs/adr/0014-depth-two-is-complete.md).
--     The search runs under the settings of the finder that called it. Setting them again costs 20 us.
--     Each order, with filters and without, has a statement of its own, and so a plan of its own: see contact_edges.
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
    OUT is_cut boolean,
    OUT is_limited boolean
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
    by_strength CONSTANT boolean := request.order_by = 'strength';
    is_filtered CONSTANT boolean := connection_paths.has_edge_filters(request);
    most_edges bigint := CASE WHEN request.max_depth > 1 THEN connection_paths.search_limit('read_first') ELSE 0 END;
    only_users bigint[]; -- the users who open, as soon as only their contacts are missing
    near record; -- the target and its neighbours, as far as they are members
    members record; -- the same for all users, as far as the search needs them to go on
    last_rank bigint; -- the greatest rank of the paths that the viewer does not open
    longer record;
BEGIN
    tree_contacts := ARRAY[request.target_contact_id];
    tree_parents := '{0}';
    contacts := '{}';
    level_reached := 1;
    is_cut := false;
    is_limited := false;
    LOOP
        IF NOT by_strength AND NOT is_filtered OR most_edges IS NULL AND request.given_edges IS NULL THEN
            SELECT m.* INTO near FROM connection_paths.near_members(request, most_edges, only_users, false, false) AS m;
            IF by_strength OR is_filtered THEN
                SELECT d.*, NULL::bigint AS read_to INTO near
                FROM connection_paths.with_details(request, near.contact_ids, near.user_ids) AS d;
            END IF;
        ELSIF NOT by_strength THEN
            SELECT m.* INTO near FROM connection_paths.near_members(request, most_edges, only_users, false, true) AS m;
        ELSIF NOT is_filtered THEN
            SELECT m.* INTO near FROM connection_paths.near_members(request, most_edges, only_users, true, false) AS m;
        ELSE
            SELECT m.* INTO near FROM connection_paths.near_members(request, most_edges, only_users, true, true) AS m;
        END IF;
        IF only_users IS NULL THEN
            members := near;
        END IF;
        IF near.user_ids IS NOT NULL AND ( -- somebody may open; of a list of users, this is looked at later
            request.opener_user_ids IS NULL
            OR cardinality(request.opener_user_ids) > 1
            OR request.opener_user_ids[1] = ANY (near.user_ids)
        ) THEN
            IF request.max_per_introducer IS NOT NULL AND NOT request.by_chain THEN
                SELECT f.*, near.read_to INTO near FROM connection_paths.first_users(
                    request, near.contact_ids, near.date_tos, near.strengths, near.user_ids
                ) AS f;
            END IF;
            SELECT p.contacts, p.parents, p.recencies, p.users, p.last_rank
            INTO contacts, parents, recencies, users, last_rank
            FROM connection_paths.near_paths(
                request, near.contact_ids, near.date_tos, near.strengths, near.user_ids, request.max_found
            ) AS p;
        END IF;
        is_complete := (clock_timestamp() < request.deadline) IS NOT FALSE;
        EXIT WHEN near.read_to IS NULL OR request.max_depth = 1 OR NOT is_complete;
        IF cardinality(contacts) = request.max_found THEN
            EXIT WHEN (near.read_to > last_rank) IS NOT FALSE
                AND connection_paths.rank_recency(near.read_to) < current_date;
            EXIT WHEN last_rank IS NULL AND NOT EXISTS ( -- these tie, but are read in the order of their last days
                SELECT FROM connection_paths.contact_edges(request.target_contact_id, request, false, false, false) AS e
                WHERE e.date_to >= current_date
            );
            most_edges := most_edges * 4;
        ELSIF cardinality(contacts) < 2 AND (cardinality(members.contact_ids) > most_edges / 2) IS NOT TRUE
            OR (by_strength OR is_filtered) AND (cardinality(members.contact_ids) > most_edges / 10) IS NOT TRUE
        THEN
            most_edges := NULL; -- few neighbours are members: then looking all of them up is fast
        ELSE -- half as many again as would be enough if the rest were like these
            most_edges := most_edges * GREATEST(2, 3 * request.max_found / (2 * GREATEST(cardinality(contacts), 1)));
        END IF;
        IF request.opener_user_ids IS NOT NULL AND only_users IS NULL AND (
            SELECT count(DISTINCT m.contact_id) > CASE WHEN request.max_depth > 2 THEN request.max_edges_per_hop ELSE 0 END
            FROM unnest(members.contact_ids) AS m (contact_id)
            WHERE m.contact_id <> request.target_contact_id
        ) THEN
            only_users := request.opener_user_ids;
        END IF;
    END LOOP;
    IF request.target_contact_id <> ANY (members.contact_ids) THEN
        level_reached := 2;
    END IF;
    IF level_reached = 2 AND request.max_depth > 2 AND is_complete AND cardinality(contacts) < request.max_found THEN
        longer := connection_paths.longer_paths(
            request, members.contact_ids, members.date_tos, members.strengths, contacts, parents, by_strength, is_filtered
        );
        tree_contacts := longer.tree_contacts;
        tree_parents := longer.tree_parents;
        contacts := contacts || longer.contacts;
        parents := parents || longer.parents;
        recencies := recencies || longer.recencies;
        users := users || longer.users;
        is_complete := longer.is_complete;
        level_reached := longer.level_reached;
        is_cut := longer.is_cut;
        is_limited := longer.is_limited;
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.search(connection_paths.search_request) IS 'Search for introduction paths depth by depth: a tree of chains, and which of them were found';

REVOKE ALL ON FUNCTION connection_paths.search(connection_paths.search_request) FROM PUBLIC;
