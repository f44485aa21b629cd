-- connection_paths.why_no_more(...): why find_paths found fewer paths than it was asked for: a code and numbers, no
-- words.
--
-- target_contact_id, collection_id, viewer_user_id, max_depth, seed_scope   find_paths'
-- max_edges_per_hop, excluded_contact_ids, ask_everybody                    search's; v1 follows every edge
-- impl                                      'v1', whose edges are straight from work experiences, or 'v2'
-- number                                    paths found, fewer than wanted
-- is_complete, level_reached, caps_hit      search's or legacy_paths'
--
-- Returns {"reason", "level_reached", "caps_hit", "max_edges_per_hop", "collection_members", "target_edges",
-- "target_edges_to_members", "target_edges_to_excluded", "excluded", "counted_to", "counts_are_exact"}.
--
-- Each reason asserts what stands here, and no more. A path is one that this call may return: by its scope, without
-- those who are not to be asked. The first reason that is known to hold is returned:
--
-- time_budget            the time ran out before the search ended
-- unknown_target         there is no such contact
-- empty_collection       the collection has no members
-- viewer_brought_nobody  seed_scope is importer, and the viewer brought nobody into the collection. Not looked for
--                        among more than 10,000 entries
-- target_has_no_edges    the target has no edge; under v1: nobody worked with the target
-- no_edge_to_a_member    the target has edges, and none leads to a member
-- all_excluded           of the target's edges some lead to members, all of whom are not to be asked
-- nobody_to_ask          none of the target's edges leads to a member who may be asked. Returned where it is not known
--                        which of the two reasons before it holds: 500 people or more are not to be asked
-- edge_limit             some contact that was followed has max_edges_per_hop edges or more to members who may be
--                        asked, so paths within max_depth may be missing
-- depth_limit            every path within max_depth was found, and some chain of members is as long as max_depth
--                        allows (v1: of two contacts). Longer ones were not looked for
-- exhausted              every path of any length was found
--
-- level_reached is how many contacts the longest chains had that were looked at; where the time ran out, at least so
-- many.
--
-- Other numbers, null where five paths were found or more, or the time ran out:
--
-- collection_members     members of the collection
-- target_edges           edges of the target, one per pair and kind; under v1: contacts who worked with the target
-- target_edges_to_members, target_edges_to_excluded
--                        how many of these lead to members, and to members who are not to be asked. Exact where
--                        counts_are_exact, else the least that it can be: the target's edges and the members both
--                        reach counted_to, and only so many edges were looked at
-- excluded               contacts that are not to be asked, members or not
-- counted_to             500, where each count stops: there it says "500 or more"
--
-- What is read is bounded: entries of up to 500 members, up to 500 edges of the target, and a look-up for each of the
-- fewer: 0.1 ms, and up to 0.8 around hubs; up to 10,000 entries of the collection, 1 ms, where the viewer alone may
-- open a path and nobody was found. (v1 works out all given_edges of the target once more.)
CREATE OR REPLACE FUNCTION connection_paths.why_no_more(
    request connection_paths.search_request,
    impl text,
    number integer,
    is_complete boolean,
    level_reached integer,
    caps_hit boolean
)
RETURNS jsonb
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    few_paths CONSTANT integer := connection_paths.search_limit('few_paths');
    counted_to CONSTANT integer := connection_paths.search_limit('counted_to');
    looked_through CONSTANT integer := connection_paths.search_limit('looked_through');
    deepest CONSTANT integer := request.max_depth;
    is_counted CONSTANT boolean := is_complete AND number < few_paths;
    member_ids bigint[];
    neighbour_ids bigint[];
    met_ids bigint[]; -- neighbours who are members
    target_edges integer;
    target_edges_to_members integer;
    target_edges_to_excluded integer := 0;
    is_exact boolean := true;
    excluded_ids bigint[] := '{}'; -- not to be asked, members or not
    nobody_to_ask boolean;
    is_known boolean := true;
    viewer_brought boolean := true;
    reason text;
BEGIN
    IF is_counted THEN
        member_ids := ARRAY(
            SELECT DISTINCT m.contact_id
            FROM connection_paths.collection_members AS m
            WHERE m.collection_id = request.collection_id AND m.contact_id IS NOT NULL
            ORDER BY m.contact_id
            LIMIT counted_to
        );
        IF NOT request.ask_everybody THEN
            excluded_ids := ARRAY(
                (
                    SELECT d.contact_id
                    FROM connection_paths.do_not_ask AS d
                    WHERE d.collection_id = request.collection_id
                    LIMIT counted_to
                )
                UNION
                SELECT x.contact_id
                FROM unnest(request.excluded_contact_ids[:counted_to]) AS x (contact_id)
            );
        END IF;

        IF impl = 'v1' THEN
            neighbour_ids := ARRAY(
                SELECT w.neighbour_id FROM unnest(request.given_edges) AS w
            );
        ELSE
            neighbour_ids := ARRAY(
                SELECT e.neighbour_id FROM connection_paths.contact_edges(request.target_contact_id, counted_to, NULL) AS e
            );
        END IF;
        target_edges := cardinality(neighbour_ids);
        is_exact := impl = 'v1' OR cardinality(member_ids) < counted_to OR target_edges < counted_to;
        IF impl = 'v1' OR target_edges < counted_to OR NOT is_exact THEN
            met_ids := ARRAY(
                SELECT n.contact_id
                FROM unnest(neighbour_ids) AS n (contact_id)
                WHERE EXISTS (
                    SELECT
                    FROM connection_paths.collection_members AS m
                    WHERE m.collection_id = request.collection_id AND m.contact_id = n.contact_id
                    OFFSET 0
                )
            );
        ELSE
            met_ids := ARRAY(
                SELECT m.contact_id
                FROM unnest(member_ids) AS m (contact_id)
                CROSS JOIN LATERAL connection_paths.better_edge(m.contact_id, request.target_contact_id, '-infinity') AS c
            );
        END IF;
        IF NOT is_exact AND met_ids = '{}' THEN -- an edge that was not looked at may lead to one of these
            met_ids := ARRAY(
                SELECT x.contact_id
                FROM unnest(excluded_ids) AS x (contact_id)
                CROSS JOIN LATERAL connection_paths.edge_details(x.contact_id, request.target_contact_id, NULL) AS d
                WHERE EXISTS (
                    SELECT
                    FROM connection_paths.collection_members AS m
                    WHERE m.collection_id = request.collection_id AND m.contact_id = x.contact_id
                    OFFSET 0
                )
                LIMIT 1
            );
        END IF;
        target_edges_to_members := cardinality(met_ids);
        IF NOT request.ask_everybody THEN
            SELECT count(*)
            INTO target_edges_to_excluded
            FROM unnest(met_ids) AS n (contact_id)
            WHERE (n.contact_id IN (SELECT x.contact_id FROM unnest(request.excluded_contact_ids) AS x (contact_id))) IS TRUE
                OR NOT EXISTS (
                    SELECT
                    FROM connection_paths.introducers AS m
                    WHERE m.collection_id = request.collection_id AND m.contact_id = n.contact_id AND m.may_be_asked
                    OFFSET 0
                );
        END IF;

        IF number = 0 AND target_edges = 0 THEN
            is_known := EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = request.target_contact_id);
        END IF;
        IF number = 0 AND request.seed_scope = 'importer' THEN
            SELECT COALESCE(bool_or(m.user_id = request.viewer_user_id), false) OR count(*) > looked_through
            INTO viewer_brought
            FROM (
                SELECT m.user_id
                FROM connection_paths.collection_members AS m
                WHERE m.collection_id = request.collection_id
                LIMIT looked_through + 1
            ) AS m;
        END IF;
    END IF;

    IF impl = 'v1' AND target_edges_to_members > target_edges_to_excluded THEN -- looked at, whoever may open a path
        level_reached := deepest;
    END IF;
    -- a search that did not get beyond the target has looked at every edge, counted or not
    nobody_to_ask := is_exact AND target_edges_to_members = target_edges_to_excluded OR level_reached = 1 AND deepest > 1;
    reason := CASE
        WHEN NOT is_complete THEN 'time_budget'
        WHEN NOT is_known THEN 'unknown_target'
        WHEN member_ids = '{}' THEN 'empty_collection'
        WHEN NOT viewer_brought THEN 'viewer_brought_nobody'
        WHEN target_edges = 0 THEN 'target_has_no_edges'
        WHEN nobody_to_ask AND target_edges_to_members > 0 THEN 'all_excluded'
        WHEN nobody_to_ask AND (is_exact OR cardinality(excluded_ids) < counted_to) THEN 'no_edge_to_a_member'
        WHEN nobody_to_ask THEN 'nobody_to_ask'
        WHEN caps_hit THEN 'edge_limit'
        WHEN level_reached = deepest THEN 'depth_limit'
        ELSE 'exhausted'
    END;
    RETURN jsonb_build_object(
        'reason', reason,
        'level_reached', level_reached,
        'caps_hit', caps_hit,
        'max_edges_per_hop', CASE WHEN impl <> 'v1' THEN request.max_edges_per_hop END,
        'collection_members', cardinality(member_ids),
        'target_edges', CASE WHEN is_counted THEN LEAST(target_edges, counted_to) END,
        'target_edges_to_members', CASE WHEN is_counted THEN LEAST(target_edges_to_members, counted_to) END,
        'target_edges_to_excluded', CASE WHEN is_counted THEN LEAST(target_edges_to_excluded, counted_to) END,
        'excluded', CASE WHEN is_counted THEN LEAST(cardinality(excluded_ids), counted_to) END,
        'counted_to', counted_to,
        'counts_are_exact', CASE WHEN is_counted THEN is_exact END
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.why_no_more(connection_paths.search_request, text, integer, boolean, integer, boolean) IS 'Why find_paths found fewer paths than wanted: a reason and bounded counts; the part "why" of its answer';

REVOKE ALL ON FUNCTION connection_paths.why_no_more(connection_paths.search_request, text, integer, boolean, integer, boolean) FROM PUBLIC;
