-- connection_paths.members_near_target(request, missing, is_hashed)
--
-- Finds the members who share an edge with the target and can open a path, the best ones.
--
-- Parameters
--     request    What is asked, already checked. Required.
--     missing    How many paths are missing.
--     is_hashed  True: read the whole collection first, and look up only neighbours who are in it.
-- Returns
--     One row of arrays. Each is NULL when it would be empty.
--     contacts        The member of each path found, the best first.
--     parents         1, the chain of the target alone.
--     recencies       The recency of each.
--     users           The user of each; NULL where a chain counts once.
--     open_contacts   Members from whom the search goes on, sorted. NULL also where the request is filled, where
--                     max_depth is 2, and for seed scope importer.
--     open_parents    1 for each of them.
--     open_recencies  The recency of each of them.
--     is_cut          True when the cap leaves out some member.
--     number          How many paths were found.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search
-- Why
--     Edges that go on, or end today or later, tie at today. Those that end at a known day of the future are few and
--     stand between the two others in the index, so they are all read. The rest is read in order, and ends after
--     the group of edges that tie with the last wanted one (docs/adr/0014-depth-two-is-complete.md).
CREATE OR REPLACE FUNCTION connection_paths.members_near_target(
    request connection_paths.search_request,
    missing integer,
    is_hashed boolean
)
RETURNS TABLE (
    contacts bigint[],
    parents integer[],
    recencies date[],
    users bigint[],
    open_contacts bigint[],
    open_parents integer[],
    open_recencies date[],
    is_cut boolean,
    number bigint
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    WITH near AS MATERIALIZED (
        SELECT e.neighbour_id, COALESCE(e.date_to, 'infinity') AS last_day, e.user_ids
        FROM (
            SELECT e.neighbour_id, e.date_to, array_agg(e.user_id) AS user_ids
            FROM connection_paths.member_edges(
                (members_near_target.request).target_contact_id,
                members_near_target.request,
                CASE (members_near_target.request).seed_scope
                    WHEN 'importer' THEN (members_near_target.request).viewer_user_id
                END,
                members_near_target.is_hashed
            ) AS e
            WHERE (e.date_to < current_date) IS NOT FALSE
            GROUP BY e.date_to, e.neighbour_id
            ORDER BY e.date_to DESC NULLS FIRST
            FETCH FIRST (
                members_near_target.missing * cardinality(enum_range(NULL::connection_paths.connection_kind))
            ) ROWS WITH TIES
        ) AS e
        UNION ALL
        SELECT e.neighbour_id, e.date_to, m.user_ids
        FROM connection_paths.contact_edges(
            (members_near_target.request).target_contact_id, (members_near_target.request).given_edges
        ) AS e
        CROSS JOIN LATERAL (
            SELECT array_agg(m.user_id) AS user_ids
            FROM connection_paths.askable_members(
                (members_near_target.request).collection_id,
                (members_near_target.request).excluded_contact_ids,
                (members_near_target.request).nobody_is_excluded
            ) AS m
            WHERE m.contact_id = e.neighbour_id
                AND (
                    (members_near_target.request).seed_scope = 'any'
                    OR m.user_id = (members_near_target.request).viewer_user_id
                )
            HAVING count(*) > 0
        ) AS m
        WHERE e.date_to >= current_date
    ),
    paths AS MATERIALIZED (
        SELECT o.neighbour_id, LEAST(max(o.last_day), current_date) AS recency, o.user_id
        FROM (
            SELECT
                n.neighbour_id,
                n.last_day,
                n.user_id = (members_near_target.request).viewer_user_id AS is_viewer,
                CASE WHEN NOT (members_near_target.request).by_chain THEN n.user_id END AS user_id
            FROM (SELECT n.neighbour_id, n.last_day, unnest(n.user_ids) AS user_id FROM near AS n) AS n
        ) AS o
        GROUP BY o.neighbour_id, o.user_id
        ORDER BY
            connection_paths.path_rank(LEAST(max(o.last_day), current_date), bool_or(o.is_viewer), o.user_id),
            o.neighbour_id
        LIMIT members_near_target.missing
    ),
    front AS (
        SELECT n.neighbour_id, max(n.last_day) AS last_day
        FROM near AS n
        WHERE (members_near_target.request).max_depth > 2
            AND (members_near_target.request).seed_scope = 'any'
            AND (SELECT count(*) < members_near_target.missing FROM paths AS p)
        GROUP BY n.neighbour_id
        ORDER BY max(n.last_day) DESC, n.neighbour_id
        LIMIT (members_near_target.request).max_edges_per_hop::bigint + 1
    )
    SELECT p.contacts, p.parents, p.recencies, p.users, f.contacts, f.parents, f.recencies, f.is_cut, p.number
    FROM (
        SELECT
            array_agg(p.neighbour_id) AS contacts,
            array_agg(1) AS parents,
            array_agg(p.recency) AS recencies,
            array_agg(p.user_id) AS users,
            count(*) AS number
        FROM paths AS p
    ) AS p
    CROSS JOIN (
        SELECT
            array_agg(f.neighbour_id) FILTER (WHERE f.is_within) AS contacts,
            array_agg(1) FILTER (WHERE f.is_within) AS parents,
            array_agg(f.recency) FILTER (WHERE f.is_within) AS recencies,
            COALESCE(bool_or(NOT f.is_within), false) AS is_cut
        FROM (
            SELECT
                f.neighbour_id,
                LEAST(f.last_day, current_date) AS recency,
                (row_number() OVER () <= (members_near_target.request).max_edges_per_hop) IS NOT FALSE AS is_within
            FROM front AS f
            ORDER BY f.neighbour_id
        ) AS f
    ) AS f;
END;

COMMENT ON FUNCTION connection_paths.members_near_target(connection_paths.search_request, integer, boolean) IS 'Members who share an edge with the target and can open a path, as many as the search needs';

REVOKE ALL ON FUNCTION connection_paths.members_near_target(connection_paths.search_request, integer, boolean) FROM PUBLIC;
