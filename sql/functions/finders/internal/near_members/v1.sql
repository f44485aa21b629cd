-- connection_paths.near_members(request, edges_read, most_edges, needs_opener, by_strength, is_filtered)
--
-- Finds, in the collection of a search, the target and its neighbours at some of its best edges.
--
-- Parameters
--     request       What is asked, already checked. Required.
--     edges_read    How many of the best edges of the target earlier calls have read. This call skips them.
--     most_edges    How many of the best edges of the target this call and the earlier ones read together. By strength,
--                   only edges that idx_cc_strong_a and idx_cc_strong_b hold are read. Edges that the request holds are
--                   all used.
--     needs_opener  True: only members whom an opener brought in. False: all members.
--     by_strength   True: the strongest edges come first. False: those that end last. A constant.
--     is_filtered   True: only edges that pass the filters of the request. A constant.
-- Returns
--     One row. An entry is the target, or an edge to a member who may be asked, once for each user who brought in that
--     contact. The arrays are NULL when there is none.
--     contact_ids  The target, or the member.
--     ranks        The place of the edge: see edge_rank. Meaningless for the target.
--     user_ids     The user; NULL when this user may not open a path.
--     read_to      No edge before this place was left out: the place of the last edge that was read, or of the best
--                  edge that is not strong. NULL when all edges were read.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search, sql/queries/doctor/plan_near_members.sql, sql/queries/doctor/plan_near_members_by_strength.sql
-- Why
--     Most targets have few edges, and few of their neighbours are members. So most calls need only this statement;
--     search ranks in a statement of its own. All neighbours are looked up by one condition, so an index page with
--     several of them is read once (docs/adr/0013-members-by-look-up.md).
CREATE OR REPLACE FUNCTION connection_paths.near_members(
    request connection_paths.search_request,
    edges_read bigint,
    most_edges bigint,
    needs_opener boolean,
    by_strength boolean,
    is_filtered boolean
)
RETURNS TABLE (contact_ids bigint[], ranks bigint[], user_ids bigint[], read_to bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    WITH edges AS MATERIALIZED (
        SELECT (near_members.request).target_contact_id AS contact_id, NULL::smallint AS strength, NULL::date AS date_to
        UNION ALL
        (
            SELECT e.neighbour_id, e.strength, e.date_to
            FROM connection_paths.contact_edges(
                (near_members.request).target_contact_id, near_members.request,
                CASE WHEN near_members.by_strength THEN true END, near_members.is_filtered
            ) AS e
            OFFSET near_members.edges_read
            LIMIT near_members.most_edges - near_members.edges_read
        )
        UNION ALL
        SELECT o.neighbour_id, CASE WHEN near_members.by_strength THEN o.strength END, o.date_to
        FROM unnest((near_members.request).given_edges) AS o
        WHERE (near_members.request).max_depth > 1
            AND connection_paths.edge_passes(near_members.request, o.kind, o.strength, o.date_to, o.organization_id)
    )
    SELECT
        array_agg(e.contact_id), array_agg(connection_paths.edge_rank(e.strength, e.date_to)), array_agg(m.user_id),
        COALESCE(
            ( -- the target is the first row
                SELECT connection_paths.edge_rank(e.strength, e.date_to)
                FROM edges AS e
                OFFSET near_members.most_edges - near_members.edges_read
                LIMIT 1
            ),
            CASE WHEN near_members.by_strength THEN
                connection_paths.edge_rank((connection_paths.search_limit('strong') - 1)::smallint, NULL)
            END
        )
    FROM connection_paths.askable_members(near_members.request) AS m
    JOIN edges AS e ON e.contact_id = m.contact_id
    WHERE m.contact_id = ANY (ARRAY(SELECT e.contact_id FROM edges AS e))
        AND (NOT near_members.needs_opener OR m.user_id IS NOT NULL);
END;

COMMENT ON FUNCTION connection_paths.near_members(connection_paths.search_request, bigint, bigint, boolean, boolean, boolean) IS 'The target and its neighbours at some of its best edges, as far as they are members of the collection';

REVOKE ALL ON FUNCTION connection_paths.near_members(connection_paths.search_request, bigint, bigint, boolean, boolean, boolean) FROM PUBLIC;
