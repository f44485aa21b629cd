-- connection_paths.why_no_more(request, impl, number, is_complete, level_reached, is_cut, is_limited)
--
-- Says why find_paths found fewer paths than it was asked for: a reason and numbers.
--
-- Parameters
--     request        What is asked, already checked. Required.
--     impl           'v1' or 'v2'.
--     number         How many paths were found.
--     is_complete    False when the deadline passed during the search.
--     level_reached  Contacts on the longest chain that the search looked at.
--     is_cut         True when the cap kept the search from going on from some chain, or from looking at one.
--     is_limited     True when max_per_introducer left a path out.
-- Returns
--     {"reason", "level_reached", "caps_hit", "max_edges_per_hop", "collection_members", "target_edges",
--     "target_edges_passing", "target_edges_to_members", "target_edges_to_excluded", "target_experiences_unresolved",
--     "target_experiences_excluded", "excluded", "counted_to", "counts_are_exact"}.
--     The reason is the first of these that is known to hold:
--     time_budget            The time ran out before the search ended.
--     unknown_target         There is no such contact.
--     empty_collection       The collection has no members.
--     viewer_is_no_opener    The scope is importer, and opener_user_ids does not name the viewer.
--     viewer_opens_nothing   The scope is importer, and the viewer is in do_not_ask_users.
--     viewer_brought_nobody  The scope is importer, and the viewer brought nobody in. At most 10,000 entries of the
--                            collection are searched.
--     openers_brought_nobody  None of opener_user_ids brought anybody in. At most 10,000 entries are searched.
--     names_unresolved       The target has no edge. It has a work experience with a company name, no organization, and
--                            no decision about the name.
--     organizations_excluded  The target has no edge. It has a work experience at an organization that
--                             organization_policy excludes.
--     target_has_no_edges    The target has no edge.
--     no_edge_passes         The target has edges, and none passes the filters of the request.
--     no_edge_to_a_member    Edges of the target pass the filters, and none leads to a member.
--     all_excluded           Such edges lead to members, and none of these members may be asked.
--     nobody_to_ask          One of the two reasons before holds; which one is not known.
--     introducer_limit       The parameter max_per_introducer left a path out.
--     edge_limit             The cap kept the search from going on from some chain, or from looking at one.
--     depth_limit            Every path within max_depth was found, and some chain is as long as max_depth.
--     exhausted              Every path of any length was found.
--     The counts are null where five paths or more were found, or the time ran out. target_edges_passing is null, too,
--     where the request has no filter on edges. The two counts of work experiences are null where some path was found,
--     and where count_target_experiences cannot count them.
-- Errors
--     none
-- Reads
--     collection_members, live_contacts
-- Writes
--     none
-- Used by
--     find_paths
CREATE OR REPLACE FUNCTION connection_paths.why_no_more(
    request connection_paths.search_request,
    impl text,
    number integer,
    is_complete boolean,
    level_reached integer,
    is_cut boolean,
    is_limited boolean
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
    counted_to CONSTANT integer := connection_paths.search_limit('counted_to');
    looked_through CONSTANT integer := connection_paths.search_limit('looked_through');
    counts record;
    experiences record;
    is_known boolean := true;
    somebody_brought boolean := true; -- one of the users who may open
    viewer_is_closed boolean := false; -- is in do_not_ask_users
    nobody_to_ask boolean;
    reason text;
BEGIN
    SELECT c.*
    INTO counts
    FROM connection_paths.count_around_target(request) AS c
    WHERE is_complete AND number < connection_paths.search_limit('few_paths');

    SELECT e.*
    INTO experiences
    FROM connection_paths.count_target_experiences(request.target_contact_id) AS e
    WHERE is_complete AND number = 0;

    IF number = 0 AND counts.target_edges = 0 THEN
        is_known := EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = request.target_contact_id);
    END IF;
    IF is_complete AND number = 0 AND request.opener_user_ids IS NOT NULL THEN
        SELECT
            COALESCE(bool_or(connection_paths.user_opens(m.user_id, request.opener_user_ids, NULL)), false)
            OR count(*) > looked_through
        INTO somebody_brought
        FROM (
            SELECT m.user_id
            FROM connection_paths.collection_members AS m
            WHERE m.collection_id = request.collection_id
            LIMIT looked_through + 1
        ) AS m;
        viewer_is_closed := request.seed_scope = 'importer'
            AND (request.viewer_user_id = ANY (request.closed_user_ids)) IS TRUE;
    END IF;
    -- a search that did not get beyond the target has looked at every edge, counted or not
    nobody_to_ask := counts.nobody_to_ask OR level_reached = 1 AND request.max_depth > 1;
    reason := CASE
        WHEN NOT is_complete THEN 'time_budget'
        WHEN NOT is_known THEN 'unknown_target'
        WHEN counts.collection_members = 0 THEN 'empty_collection'
        WHEN request.opener_user_ids = '{}' THEN 'viewer_is_no_opener'
        WHEN viewer_is_closed THEN 'viewer_opens_nothing'
        WHEN NOT somebody_brought AND request.seed_scope = 'importer' THEN 'viewer_brought_nobody'
        WHEN NOT somebody_brought THEN 'openers_brought_nobody'
        WHEN counts.target_edges = 0 AND experiences.unresolved > 0 THEN 'names_unresolved'
        WHEN counts.target_edges = 0 AND experiences.excluded > 0 THEN 'organizations_excluded'
        WHEN counts.target_edges = 0 THEN 'target_has_no_edges'
        WHEN counts.target_edges_passing = 0 THEN 'no_edge_passes'
        WHEN nobody_to_ask AND counts.target_edges_to_members > 0 THEN 'all_excluded'
        WHEN nobody_to_ask AND (
            counts.counts_are_exact OR counts.excluded < counted_to AND NOT request.has_limits
        ) THEN 'no_edge_to_a_member'
        WHEN nobody_to_ask THEN 'nobody_to_ask'
        WHEN is_limited THEN 'introducer_limit'
        WHEN is_cut THEN 'edge_limit'
        WHEN level_reached = request.max_depth THEN 'depth_limit'
        ELSE 'exhausted'
    END;
    RETURN jsonb_build_object(
        'reason', reason,
        'level_reached', level_reached,
        'caps_hit', is_cut,
        'max_edges_per_hop', CASE WHEN impl <> 'v1' THEN request.max_edges_per_hop END,
        'collection_members', counts.collection_members,
        'target_edges', counts.target_edges,
        'target_edges_passing', CASE
            WHEN request.is_filtered THEN counts.target_edges_passing
        END,
        'target_edges_to_members', counts.target_edges_to_members,
        'target_edges_to_excluded', counts.target_edges_to_excluded,
        'target_experiences_unresolved', experiences.unresolved,
        'target_experiences_excluded', experiences.excluded,
        'excluded', counts.excluded,
        'counted_to', counted_to,
        'counts_are_exact', counts.counts_are_exact
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.why_no_more(connection_paths.search_request, text, integer, boolean, integer, boolean, boolean) IS 'Why find_paths found fewer paths than wanted: a reason and bounded counts; the part "why" of its answer';

REVOKE ALL ON FUNCTION connection_paths.why_no_more(connection_paths.search_request, text, integer, boolean, integer, boolean, boolean)
FROM PUBLIC;
