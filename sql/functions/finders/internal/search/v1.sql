-- connection_paths.search(request)
--
-- Searches for paths to a contact, depth by depth, and ends at the first depth that fills the request.
--
-- Parameters
--     request  What is asked, already checked. Required.
-- Returns
--     What was found.
--     paths          The paths, the best path first. Where the request counts a chain once, whoever opens it
--                    (by_chain), the user of a path is NULL.
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
--     Depth 2 is complete, because the cap does not apply there: the search finds every path through a member who
--     shares an edge with the target. Most answers need a small part of a hub's edges. So the search reads some edges
--     of the target, and then the next ones, until no unread edge can change the answer
--     (docs/adr/0014-depth-two-is-complete.md).
--     The search runs under the settings of the finder that called it. Setting them again costs 20 us.
--     Each order, with filters and without, has a statement of its own, and so a plan of its own: the planner removes
--     the parts that the constants by_strength and is_filtered rule out.
--     PL/pgSQL runs a condition with a sub-select as a statement of its own, even where another part of the condition
--     already decides. So an IF without a sub-select stands around each of these conditions.
CREATE OR REPLACE FUNCTION connection_paths.search(
    request connection_paths.search_request,
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
    -- longer_paths goes on from so many members; NULL: from all
    most_members CONSTANT integer := CASE request.max_depth WHEN 2 THEN 0 ELSE request.max_edges_per_hop END;
    most_edges bigint := CASE -- how many edges of the target are read after the next reading; NULL: all
        WHEN request.max_depth > 1 AND request.given_edges IS NULL THEN connection_paths.search_limit('read_first')
        ELSE 0
    END;
    edges_read bigint := 0; -- how many of them earlier readings have read
    near record; -- what one reading found: the target, and those of its neighbours who are members
    contact_ids bigint[]; -- what all readings found; a contact may be here several times, once for each user
    ranks bigint[];
    user_ids bigint[];
    needs_opener boolean := false; -- true: longer_paths has enough members, so only openers matter
    read_to bigint; -- the best rank that a path by an unread edge can have, if the viewer does not open it
    last_rank bigint; -- the rank of the last path of a filled request; NULL while paths are missing
BEGIN
    paths := '{}';
    LOOP
        IF most_edges IS NULL THEN
            SELECT m.* INTO near FROM connection_paths.all_members(request, needs_opener) AS m;
        ELSIF NOT by_strength AND NOT request.is_filtered THEN
            SELECT m.* INTO near
            FROM connection_paths.near_members(request, edges_read, most_edges, needs_opener, false, false) AS m;
        ELSIF NOT by_strength THEN
            SELECT m.* INTO near
            FROM connection_paths.near_members(request, edges_read, most_edges, needs_opener, false, true) AS m;
        ELSIF NOT request.is_filtered THEN
            SELECT m.* INTO near
            FROM connection_paths.near_members(request, edges_read, most_edges, needs_opener, true, false) AS m;
        ELSE
            SELECT m.* INTO near
            FROM connection_paths.near_members(request, edges_read, most_edges, needs_opener, true, true) AS m;
        END IF;
        contact_ids := contact_ids || near.contact_ids;
        ranks := ranks || near.ranks;
        user_ids := user_ids || near.user_ids;
        IF array_remove(near.user_ids, NULL) <> '{}' THEN
            paths := ARRAY(
                SELECT ROW(
                    array_remove(ARRAY[n.contact_id], request.target_contact_id) || request.target_contact_id,
                    n.user_id, n.rank
                )::connection_paths.ranked_chain
                FROM (
                    SELECT
                        m.contact_id,
                        CASE WHEN NOT request.by_chain THEN m.user_id END AS user_id,
                        min(
                            CASE WHEN m.contact_id = request.target_contact_id THEN 1
                                ELSE connection_paths.longer_rank(NULL, m.rank)
                            END - (m.user_id = request.viewer_user_id)::integer
                        ) AS rank
                    FROM unnest(contact_ids, ranks, user_ids) AS m (contact_id, rank, user_id)
                    WHERE m.user_id IS NOT NULL
                    GROUP BY 1, 2
                    ORDER BY rank, user_id, contact_id
                    LIMIT CASE WHEN request.max_per_introducer IS NULL THEN request.max_found END
                ) AS n
            );
            IF request.max_per_introducer IS NOT NULL THEN
                SELECT f.* INTO paths, is_limited FROM connection_paths.first_per_introducer(request, paths) AS f;
            END IF;
        END IF;
        is_complete := (clock_timestamp() < request.deadline) IS NOT FALSE;
        EXIT WHEN near.read_to IS NULL OR most_edges = 0 OR NOT is_complete;
        read_to := connection_paths.longer_rank(NULL, near.read_to);
        last_rank := (paths[request.max_found]).rank;
        EXIT WHEN last_rank < read_to - 1;
        -- The last path may be as recent as the unread edges. If the viewer opens it, paths by these edges come later,
        -- because edges of one day are read by id. But all edges from today on count as one day, and are read by date.
        IF last_rank < read_to THEN
            EXIT WHEN NOT EXISTS (
                SELECT FROM connection_paths.contact_edges(request.target_contact_id, request, NULL, false) AS e
                WHERE e.date_to >= current_date
            );
        END IF;
        IF cardinality(contact_ids) > most_members THEN
            needs_opener := (SELECT count(DISTINCT m.id) - 1 > most_members FROM unnest(contact_ids) AS m (id));
        END IF;
        edges_read := most_edges;
        most_edges := CASE
            -- every strong edge was read
            WHEN 100 - (near.read_to >> 32) < connection_paths.search_limit('strong') THEN NULL
            WHEN last_rank IS NOT NULL THEN most_edges * 4
            WHEN cardinality(paths) < 2 THEN NULL
            -- 1.5 times the edges that are enough if the unread edges make as many paths as the read ones
            ELSE most_edges * GREATEST(2, 3 * request.max_found / (2 * cardinality(paths)))
        END;
    END LOOP;
    level_reached := 1 + COALESCE(request.target_contact_id <> ANY (contact_ids), false)::integer;
    is_cut := false;
    IF level_reached = 2 AND request.max_depth > 2 AND is_complete AND cardinality(paths) < request.max_found THEN
        SELECT l.paths, l.is_complete, l.level_reached, l.is_cut, l.is_limited OR search.is_limited IS TRUE
        INTO paths, is_complete, level_reached, is_cut, is_limited
        FROM connection_paths.longer_paths(request, paths, contact_ids, ranks) AS l;
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.search(connection_paths.search_request) IS 'Search for introduction paths depth by depth: the paths, and how far the search went';

REVOKE ALL ON FUNCTION connection_paths.search(connection_paths.search_request) FROM PUBLIC;
