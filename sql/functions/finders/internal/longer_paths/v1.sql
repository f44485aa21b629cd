-- connection_paths.longer_paths(request, member_ids, date_tos, strengths, near_contacts, near_parents, by_strength,
--     is_filtered)
--
-- Searches for paths of three contacts and more, depth by depth, and ends at the first depth that fills the request.
--
-- Parameters
--     request        What is asked, already checked. Required.
--     member_ids     The target, and the members who share an edge with it, as near_members returns them.
--     date_tos       The last day of each of these edges; NULL for the target, and where the edge goes on.
--     strengths      The strength of each of these edges; NULL where the order is by recency.
--     near_contacts  The first contacts of the paths of one and of two contacts.
--     near_parents   0 where the first contact of such a path is the target, 1 where it is a neighbour.
--     by_strength    True: the order is by strength.
--     is_filtered    True: the request has filters on edges.
-- Returns
--     Arrays that describe what was found, without the paths of one and of two contacts.
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
--     collection_members
-- Writes
--     none
-- Used by
--     search
CREATE OR REPLACE FUNCTION connection_paths.longer_paths(
    request connection_paths.search_request,
    member_ids bigint[],
    date_tos date[],
    strengths smallint[],
    near_contacts bigint[],
    near_parents integer[],
    by_strength boolean,
    is_filtered boolean,
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
    -- until when chains are made of what was read before the deadline
    last_minute CONSTANT timestamptz := request.deadline + (request.deadline - clock_timestamp()) / 4;
    is_hashed boolean := false; -- the collection is small, and read as a whole
    tree_recencies date[];
    tree_strengths smallint[];
    first_open integer := 2; -- the first of the chains from which the search goes on; they are the end of the tree
    open_number integer; -- of these chains
    missing integer; -- paths
    introducers bigint[]; -- the contacts before the target of the paths found, where they are counted
    longer record;
    found record; -- of the longer chains, the paths that count
BEGIN
    contacts := '{}';
    is_limited := false;
    level_reached := 2;
    SELECT c.contacts, c.parents, c.recencies, c.strengths, c.is_cut
    INTO tree_contacts, tree_parents, tree_recencies, tree_strengths, is_cut
    FROM connection_paths.first_chains(request, member_ids, date_tos, strengths) AS c;
    IF request.max_per_introducer IS NOT NULL THEN
        introducers := ARRAY(
            SELECT CASE WHEN p.parent > 0 THEN p.contact_id END
            FROM unnest(near_contacts, near_parents) AS p (contact_id, parent)
        );
    END IF;
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
        missing := request.max_found - cardinality(near_contacts) - cardinality(contacts);
        IF introducers IS NOT NULL THEN -- any number may have to be left out
            missing := 2147483647;
        END IF;
        IF NOT by_strength AND NOT is_filtered THEN
            SELECT n.* INTO longer FROM connection_paths.next_contacts(
                request, tree_contacts, tree_parents, tree_recencies, tree_strengths, first_open, level,
                missing, is_hashed, last_minute, false, false
            ) AS n;
        ELSIF NOT by_strength THEN
            SELECT n.* INTO longer FROM connection_paths.next_contacts(
                request, tree_contacts, tree_parents, tree_recencies, tree_strengths, first_open, level,
                missing, is_hashed, last_minute, false, true
            ) AS n;
        ELSIF NOT is_filtered THEN
            SELECT n.* INTO longer FROM connection_paths.next_contacts(
                request, tree_contacts, tree_parents, tree_recencies, tree_strengths, first_open, level,
                missing, is_hashed, last_minute, true, false
            ) AS n;
        ELSE
            SELECT n.* INTO longer FROM connection_paths.next_contacts(
                request, tree_contacts, tree_parents, tree_recencies, tree_strengths, first_open, level,
                missing, is_hashed, last_minute, true, true
            ) AS n;
        END IF;
        is_complete := (clock_timestamp() < request.deadline) IS NOT FALSE;
        IF longer.number > 0 THEN
            level_reached := level;
            is_cut := is_cut OR longer.is_cut;
        END IF;
        found := longer;
        IF introducers IS NOT NULL AND longer.contacts IS NOT NULL THEN
            SELECT f.* INTO found FROM connection_paths.first_per_introducer(
                request, tree_contacts, tree_parents, longer.contacts, longer.parents, longer.recencies, longer.users,
                introducers, request.max_found - cardinality(near_contacts) - cardinality(contacts)
            ) AS f;
            introducers := found.introducers;
            is_limited := is_limited OR found.is_limited;
        END IF;
        contacts := contacts || found.contacts;
        parents := parents || found.parents;
        recencies := recencies || found.recencies;
        users := users || found.users;
        EXIT WHEN NOT is_complete
            OR cardinality(near_contacts) + cardinality(contacts) = request.max_found
            OR longer.open_contacts IS NULL;
        first_open := cardinality(tree_contacts) + 1;
        tree_contacts := tree_contacts || longer.open_contacts;
        tree_parents := tree_parents || longer.open_parents;
        tree_recencies := tree_recencies || longer.open_recencies;
        tree_strengths := tree_strengths || longer.open_strengths;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.longer_paths(connection_paths.search_request, bigint[], date[], smallint[], bigint[], integer[], boolean, boolean) IS 'Search for paths of three contacts and more';

REVOKE ALL ON FUNCTION connection_paths.longer_paths(connection_paths.search_request, bigint[], date[], smallint[], bigint[], integer[], boolean, boolean)
FROM PUBLIC;
