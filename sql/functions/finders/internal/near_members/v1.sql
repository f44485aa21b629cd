-- connection_paths.near_members(request, most_edges, only_user_ids, by_strength, is_filtered)
--
-- Finds the target and its neighbours in the collection of a search.
--
-- Parameters
--     request        What is asked, already checked. Required.
--     most_edges     How many edges of the target are read, the best first. NULL: all.
--     only_user_ids  Only members that these users brought in. NULL: all members.
--     by_strength    True: the strongest edges come first. False: those that end last. A constant.
--     is_filtered    True: only edges that pass the filters of the request. A constant.
-- Returns
--     One row. An entry is the target, or an edge to a member who may be asked, once for each user who brought in that
--     contact. The arrays are NULL when there is none.
--     contact_ids  The target, or the member.
--     date_tos     The last day of the edge; NULL for the target, and where the edge goes on.
--     strengths    The strength of the edge; NULL for the target. The array is NULL where the order is by recency.
--     user_ids     The user; NULL: a user who opens no path.
--     read_to      The rank of the last edge that was read, as of a path that the viewer does not open: see path_rank.
--                  NULL when all edges were read.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search, sql/queries/doctor/plan_near_members.sql, sql/queries/doctor/plan_near_members_by_strength.sql
-- Why
--     Most targets have few edges, and few of their neighbours are members. So this one statement answers most calls,
--     and ranking is another one. The index reads neighbours who are near each other together
--     (docs/adr/0013-members-by-look-up.md).
CREATE OR REPLACE FUNCTION connection_paths.near_members(
    request connection_paths.search_request,
    most_edges bigint,
    only_user_ids bigint[],
    by_strength boolean,
    is_filtered boolean
)
RETURNS TABLE (contact_ids bigint[], date_tos date[], strengths smallint[], user_ids bigint[], read_to bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    WITH edges AS MATERIALIZED (
        SELECT (near_members.request).target_contact_id AS contact_id, NULL::date AS date_to, NULL::smallint AS strength
        UNION ALL
        (
            SELECT e.neighbour_id, e.date_to, e.strength
            FROM (
                SELECT e.neighbour_id, e.date_to, e.strength
                FROM connection_paths.contact_edges(
                    (near_members.request).target_contact_id, near_members.request,
                    near_members.by_strength, near_members.is_filtered, false
                ) AS e
                UNION ALL
                SELECT e.neighbour_id, e.date_to, e.strength
                FROM connection_paths.contact_edges(
                    (near_members.request).target_contact_id, near_members.request,
                    near_members.by_strength, near_members.is_filtered, true
                ) AS e
                WHERE near_members.by_strength
            ) AS e
            LIMIT near_members.most_edges
        )
    )
    SELECT
        n.contact_ids, n.date_tos, n.strengths, n.user_ids,
        ( -- the target is the first row
            SELECT connection_paths.path_rank(e.strength, LEAST(e.date_to, current_date), false)
            FROM edges AS e
            WHERE near_members.most_edges IS NOT NULL
            OFFSET near_members.most_edges
            LIMIT 1
        )
    FROM (
        SELECT
            array_agg(e.contact_id) AS contact_ids, array_agg(e.date_to) AS date_tos,
            CASE WHEN near_members.by_strength THEN array_agg(e.strength) END AS strengths,
            array_agg(m.user_id) AS user_ids
        FROM connection_paths.askable_members(
            (near_members.request).collection_id,
            (near_members.request).target_contact_id,
            (near_members.request).excluded_contact_ids,
            (near_members.request).nobody_is_excluded
        ) AS m
        JOIN edges AS e ON e.contact_id = m.contact_id
        WHERE m.contact_id = ANY (ARRAY(SELECT e.contact_id FROM edges AS e))
            AND (
                near_members.only_user_ids IS NULL
                OR connection_paths.user_opens(m.user_id, near_members.only_user_ids)
            )
    ) AS n;
END;

COMMENT ON FUNCTION connection_paths.near_members(connection_paths.search_request, bigint, bigint[], boolean, boolean) IS 'The target and its neighbours, as far as they are members of the collection';

REVOKE ALL ON FUNCTION connection_paths.near_members(connection_paths.search_request, bigint, bigint[], boolean, boolean)
FROM PUBLIC;
