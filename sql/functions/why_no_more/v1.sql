-- connection_paths.why_no_more(...): why find_paths found fewer paths than it was asked for, as it says it.
--
-- target_contact_id, collection_id, viewer_user_id, max_depth, seed_scope   find_paths'
-- excluded_contact_ids, ask_everybody       search's
-- impl                                      'v1', whose edges are straight from work experiences, or 'v2'
-- number                                    paths found, fewer than wanted
-- is_complete, level_reached, caps_hit      search's; level_reached may be NULL under v1
--
-- Returns {"reason", "collection_members", "target_edges", "target_edges_to_members", "target_edges_to_excluded",
-- "excluded", "level_reached", "caps_hit"}. Of the reasons the first that holds:
--
-- time_budget            the time ran out
-- unknown_target         there is no such contact
-- empty_collection       the collection has no members, or does not exist
-- viewer_brought_nobody  seed_scope is importer, and the viewer brought nobody into the collection. Not said of one of more
--                        than 10,000 entries: to know it would take reading them all
-- target_has_no_edges    nobody is known to know the target
-- no_edge_to_a_member    of those who know the target nobody is a member
-- all_excluded           those of them who are members are not to be asked (of edges that were not counted, 500 of those are
--                        looked at who are not to be asked)
-- depth_limit            there are chains as long as max_depth allows (v1: of two contacts); longer ones were not looked at
-- edge_limit             every chain was followed to its end, but from some contacts along their most recent edges only
-- exhausted              every chain was followed to its end
--
-- Five figures are counted where fewer than five paths were found in time: elsewhere the search itself knows the reason,
-- and they are null. Each stops at 500, which says "or more". target_edges_to_members, and how many of those lead to
-- people who are not to be asked, are exact unless both the target's edges and the members stop there (v1: always); then they
-- are of the edges counted.
--
-- What is read is bounded: entries of up to 500 members, up to 500 edges of the target, and a look-up for each of the
-- fewer: 0.1 ms, and up to 0.8 around hubs; up to 10,000 entries of the collection, 1 ms, where the viewer alone may open a
-- path and nobody was found. (v1 works out all overlaps of the target once more.)
CREATE OR REPLACE FUNCTION connection_paths.why_no_more(
    target_contact_id bigint,
    collection_id bigint,
    viewer_user_id bigint,
    max_depth integer,
    seed_scope text,
    excluded_contact_ids bigint[],
    ask_everybody boolean,
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
    few_paths CONSTANT integer := 5;
    counted_to CONSTANT integer := 500;
    looked_through CONSTANT integer := 10000;
    deepest CONSTANT integer := CASE impl WHEN 'v1' THEN LEAST(max_depth, 2) ELSE max_depth END;
    member_ids bigint[];
    neighbour_ids bigint[];
    met_ids bigint[]; -- neighbours who are members
    is_exact boolean;
    target_edges_to_members integer;
    target_edges_to_excluded integer := 0;
    excluded_ids bigint[] := '{}';
    has_met_excluded boolean := false; -- beyond the edges that were counted
    reached integer := level_reached;
    nobody_to_ask boolean;
    is_known boolean := true;
    viewer_brought boolean := true;
    reason text;
BEGIN
    IF NOT is_complete OR number >= few_paths THEN
        reached := COALESCE(reached, CASE WHEN is_complete THEN deepest ELSE 1 END);
        RETURN jsonb_build_object(
            'reason', CASE
                WHEN NOT is_complete THEN 'time_budget'
                WHEN reached = deepest THEN 'depth_limit'
                WHEN caps_hit THEN 'edge_limit'
                ELSE 'exhausted'
            END,
            'collection_members', NULL,
            'target_edges', NULL,
            'target_edges_to_members', NULL,
            'target_edges_to_excluded', NULL,
            'excluded', NULL,
            'level_reached', reached,
            'caps_hit', caps_hit
        );
    END IF;

    IF impl = 'v1' THEN
        neighbour_ids := ARRAY(
            SELECT w.neighbour_id FROM connection_paths.work_overlaps(target_contact_id) AS w
        );
    ELSE
        neighbour_ids := ARRAY(
            SELECT e.neighbour_id FROM connection_paths.recent_edges(target_contact_id) AS e LIMIT counted_to
        );
    END IF;
    member_ids := ARRAY(
        SELECT DISTINCT m.contact_id
        FROM connection_paths.collection_members AS m
        WHERE m.collection_id = why_no_more.collection_id AND m.contact_id IS NOT NULL
        ORDER BY m.contact_id
        LIMIT counted_to
    );

    is_exact := impl = 'v1' OR cardinality(member_ids) < counted_to OR cardinality(neighbour_ids) < counted_to;
    IF cardinality(neighbour_ids) < counted_to OR impl = 'v1' OR NOT is_exact THEN
        met_ids := ARRAY(
            SELECT n.contact_id
            FROM unnest(CASE WHEN is_exact THEN neighbour_ids ELSE neighbour_ids[:counted_to] END) AS n (contact_id)
            WHERE EXISTS (
                SELECT
                FROM connection_paths.collection_members AS m
                WHERE m.collection_id = why_no_more.collection_id AND m.contact_id = n.contact_id
                OFFSET 0
            )
        );
    ELSE
        met_ids := ARRAY(
            SELECT m.contact_id
            FROM unnest(member_ids) AS m (contact_id)
            JOIN connection_paths.contact_connections AS c
                ON c.contact_a_id = LEAST(m.contact_id, why_no_more.target_contact_id)
                AND c.contact_b_id = GREATEST(m.contact_id, why_no_more.target_contact_id)
        );
    END IF;
    target_edges_to_members := cardinality(met_ids);

    IF NOT ask_everybody THEN
        SELECT count(*)
        INTO target_edges_to_excluded
        FROM unnest(met_ids) AS n (contact_id)
        WHERE (n.contact_id IN (SELECT x.contact_id FROM unnest(excluded_contact_ids) AS x (contact_id))) IS TRUE
            OR NOT EXISTS (
                SELECT
                FROM connection_paths.introducers AS m
                WHERE m.collection_id = why_no_more.collection_id AND m.contact_id = n.contact_id AND m.may_be_asked
                OFFSET 0
            );
        excluded_ids := ARRAY(
            (
                SELECT d.contact_id
                FROM connection_paths.do_not_ask AS d
                WHERE d.collection_id = why_no_more.collection_id
                LIMIT counted_to
            )
            UNION
            SELECT x.contact_id
            FROM unnest(excluded_contact_ids[:counted_to]) AS x (contact_id)
        );
        -- an edge that was not counted may lead to one of them
        has_met_excluded := NOT is_exact AND met_ids = '{}' AND EXISTS (
            SELECT
            FROM unnest(excluded_ids) AS x (contact_id)
            CROSS JOIN LATERAL connection_paths.edge_details(x.contact_id, why_no_more.target_contact_id) AS d
            WHERE EXISTS (
                SELECT
                FROM connection_paths.collection_members AS m
                WHERE m.collection_id = why_no_more.collection_id AND m.contact_id = x.contact_id
                OFFSET 0
            )
        );
    END IF;

    IF impl = 'v1' THEN
        reached := CASE WHEN target_edges_to_members > target_edges_to_excluded THEN deepest ELSE 1 END;
    END IF;
    -- a search that did not get beyond the target has looked at every edge, counted or not
    nobody_to_ask := is_exact AND target_edges_to_members = target_edges_to_excluded OR reached = 1 AND deepest > 1;
    IF number = 0 AND neighbour_ids = '{}' THEN
        is_known := EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = target_contact_id);
    END IF;
    IF number = 0 AND seed_scope = 'importer' THEN
        SELECT COALESCE(bool_or(m.user_id = why_no_more.viewer_user_id), false) OR count(*) > looked_through
        INTO viewer_brought
        FROM (
            SELECT m.user_id
            FROM connection_paths.collection_members AS m
            WHERE m.collection_id = why_no_more.collection_id
            LIMIT looked_through + 1
        ) AS m;
    END IF;

    reason := CASE
        WHEN NOT is_known THEN 'unknown_target'
        WHEN member_ids = '{}' THEN 'empty_collection'
        WHEN NOT viewer_brought THEN 'viewer_brought_nobody'
        WHEN neighbour_ids = '{}' THEN 'target_has_no_edges'
        WHEN nobody_to_ask AND target_edges_to_members = 0 AND NOT has_met_excluded THEN 'no_edge_to_a_member'
        WHEN nobody_to_ask THEN 'all_excluded'
        WHEN reached = deepest THEN 'depth_limit'
        WHEN caps_hit THEN 'edge_limit'
        ELSE 'exhausted'
    END;
    RETURN jsonb_build_object(
        'reason', reason,
        'collection_members', cardinality(member_ids),
        'target_edges', LEAST(cardinality(neighbour_ids), counted_to),
        'target_edges_to_members', LEAST(target_edges_to_members, counted_to),
        'target_edges_to_excluded', LEAST(target_edges_to_excluded, counted_to),
        'excluded', LEAST(cardinality(excluded_ids), counted_to),
        'level_reached', reached,
        'caps_hit', caps_hit
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.why_no_more(bigint, bigint, bigint, integer, text, bigint[], boolean, text, integer, boolean, integer, boolean) IS 'Why find_paths found fewer paths than wanted: a reason and bounded counts; the part "why" of its answer';

REVOKE ALL ON FUNCTION connection_paths.why_no_more(bigint, bigint, bigint, integer, text, bigint[], boolean, text, integer, boolean, integer, boolean)
FROM PUBLIC;
