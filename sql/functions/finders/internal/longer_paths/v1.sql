-- connection_paths.longer_paths(request, near_paths, member_ids, member_ranks)
--
-- Searches for paths of three contacts and more, depth by depth, and ends at the first depth that fills the request.
--
-- Parameters
--     request       What is asked, already checked. Required.
--     near_paths    The paths of one and of two contacts.
--     member_ids    The target, and the members who share an edge with it, as near_members returns them.
--     member_ranks  The place of each of these edges: see edge_rank.
-- Returns
--     What was found.
--     paths          The paths, the best path first, those of near_paths among them.
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
-- Why
--     Each order, with filters and without, has a statement of its own, and so a plan of its own: the planner removes
--     the parts that the constants by_strength and is_filtered of next_contacts rule out.
CREATE OR REPLACE FUNCTION connection_paths.longer_paths(
    request connection_paths.search_request,
    near_paths connection_paths.ranked_chain[],
    member_ids bigint[],
    member_ranks bigint[],
    OUT paths connection_paths.ranked_chain[],
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
    -- after the deadline, chains are still made of edges that were read before it, until this time
    last_minute CONSTANT timestamptz := request.deadline + (request.deadline - clock_timestamp()) / 4;
    chains connection_paths.ranked_chain[]; -- from which the search goes on
    is_hashed boolean := false; -- the collection is small, and read as a whole
    missing integer; -- how many paths are missing; NULL with max_per_introducer, which may leave any number of them out
    longer record; -- the longer chains, and the paths among them
BEGIN
    paths := near_paths;
    level_reached := 2;
    is_limited := false;
    chains := ARRAY(
        SELECT
            ROW(ARRAY[m.contact_id, request.target_contact_id], NULL, connection_paths.longer_rank(NULL, min(m.rank)))
            ::connection_paths.ranked_chain
        FROM unnest(member_ids, member_ranks) AS m (contact_id, rank)
        WHERE m.contact_id <> request.target_contact_id
        GROUP BY m.contact_id
        ORDER BY min(m.rank), m.contact_id
        LIMIT request.max_edges_per_hop::bigint + 1
    );
    is_cut := (cardinality(chains) > request.max_edges_per_hop) IS TRUE; -- one more than the cap was read
    chains := chains[:COALESCE(request.max_edges_per_hop, cardinality(chains))];
    FOR level IN 3..request.max_depth LOOP
        is_hashed := is_hashed OR NOT EXISTS (
            SELECT FROM connection_paths.collection_members AS m
            WHERE m.collection_id = request.collection_id
            OFFSET LEAST(
                cardinality(chains)::bigint * connection_paths.search_limit('hashed_each'),
                connection_paths.search_limit('hashed_most')
            )
        );
        missing := CASE WHEN request.max_per_introducer IS NULL THEN request.max_found - cardinality(paths) END;
        IF NOT by_strength AND NOT request.is_filtered THEN
            SELECT n.* INTO longer
            FROM connection_paths.next_contacts(request, chains, level, missing, is_hashed, last_minute, false, false) AS n;
        ELSIF NOT by_strength THEN
            SELECT n.* INTO longer
            FROM connection_paths.next_contacts(request, chains, level, missing, is_hashed, last_minute, false, true) AS n;
        ELSIF NOT request.is_filtered THEN
            SELECT n.* INTO longer
            FROM connection_paths.next_contacts(request, chains, level, missing, is_hashed, last_minute, true, false) AS n;
        ELSE
            SELECT n.* INTO longer
            FROM connection_paths.next_contacts(request, chains, level, missing, is_hashed, last_minute, true, true) AS n;
        END IF;
        is_complete := (clock_timestamp() < request.deadline) IS NOT FALSE;
        is_cut := is_cut OR longer.is_cut;
        level_reached := level - (longer.number = 0)::integer;
        paths := paths || longer.paths;
        IF request.max_per_introducer IS NOT NULL THEN
            SELECT f.paths, longer_paths.is_limited OR f.is_limited INTO paths, is_limited
            FROM connection_paths.first_per_introducer(request, paths) AS f;
        END IF;
        chains := longer.open_chains;
        EXIT WHEN NOT is_complete OR cardinality(paths) = request.max_found OR chains = '{}';
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.longer_paths(connection_paths.search_request, connection_paths.ranked_chain[], bigint[], bigint[]) IS 'Search for paths of three contacts and more';

REVOKE ALL ON FUNCTION connection_paths.longer_paths(connection_paths.search_request, connection_paths.ranked_chain[], bigint[], bigint[])
FROM PUBLIC;
