-- connection_paths.next_contacts(request, tree_contacts, tree_parents, tree_recencies, tree_strengths, first_open,
--     level, missing, is_hashed, last_minute, by_strength, is_filtered)
--
-- Makes chains longer by the best edges of their first contacts that lead to members who may be asked.
--
-- Parameters
--     request         What is asked, already checked. Required.
--     tree_contacts   The first contact of each chain of the tree.
--     tree_parents    The rest of each chain, itself a chain.
--     tree_recencies  The recency of each chain.
--     tree_strengths  The strength of the weakest edge of each chain; NULL where the order is by recency.
--     first_open      The first of the chains to make longer; they are the end of the tree.
--     level           Contacts on each longer chain.
--     missing         How many paths are missing.
--     is_hashed       True: read the whole collection first, and look up only neighbours who are in it.
--     last_minute     No chain is made longer after this time. NULL: never.
--     by_strength     True: the strongest edges come first. False: those that end last. A constant.
--     is_filtered     True: only edges that pass the filters of the request. A constant.
-- Returns
--     One row of arrays. Each is NULL when it would be empty.
--     contacts        The first contact of each path found, the best first.
--     parents         The chain that each makes longer.
--     recencies       The recency of each.
--     users           The user of each; NULL where a chain counts once.
--     open_contacts   The first contact of each longer chain, sorted by contacts. NULL also where the request is
--                     filled, and at the last level.
--     open_parents    The chain that each makes longer.
--     open_recencies  The recency of each.
--     open_strengths  The strength of the weakest edge of each. NULL also where the order is by recency.
--     is_cut          True when the cap leaves out some chain.
--     number          How many longer chains there are.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     longer_paths
-- Why
--     A contact at the front of several chains is read once. Its list has the cap, as many members more as a chain
--     itself can take away, and one more, which shows that the cap leaves somebody out. At the last level only lists
--     with somebody who opens make chains. For a viewer with few contacts, these are a small part of all lists.
CREATE OR REPLACE FUNCTION connection_paths.next_contacts(
    request connection_paths.search_request,
    tree_contacts bigint[],
    tree_parents integer[],
    tree_recencies date[],
    tree_strengths smallint[],
    first_open integer,
    level integer,
    missing integer,
    is_hashed boolean,
    last_minute timestamptz,
    by_strength boolean,
    is_filtered boolean
)
RETURNS TABLE (
    contacts bigint[], parents integer[], recencies date[], users bigint[],
    open_contacts bigint[], open_parents integer[], open_recencies date[], open_strengths smallint[],
    is_cut boolean, number bigint
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    WITH edges AS MATERIALIZED (
        SELECT e.contact_id, e.neighbour_id, e.date_to, e.strength, e.user_ids
        FROM connection_paths.front_edges(
            next_contacts.request, next_contacts.tree_contacts[next_contacts.first_open:],
            ((next_contacts.request).max_edges_per_hop::bigint + next_contacts.level - 1)
            * cardinality(enum_range(NULL::connection_paths.connection_kind)),
            next_contacts.is_hashed, next_contacts.by_strength, next_contacts.is_filtered
        ) AS e
    ),
    lists AS MATERIALIZED (
        SELECT
            e.contact_id, array_agg(e.neighbour_id) AS neighbour_ids, array_agg(LEAST(e.date_to, current_date)) AS recencies,
            CASE WHEN next_contacts.by_strength THEN array_agg(e.strength) END AS strengths,
            next_contacts.level < (next_contacts.request).max_depth OR bool_or(e.user_ids IS NOT NULL) AS is_needed
        FROM edges AS e
        GROUP BY e.contact_id
    ),
    openers AS MATERIALIZED (
        SELECT
            o.contact_id,
            CASE WHEN NOT (next_contacts.request).by_chain THEN o.user_id END AS user_id,
            bool_or(o.user_id = (next_contacts.request).viewer_user_id) AS is_viewer
        FROM (SELECT e.neighbour_id AS contact_id, unnest(e.user_ids) AS user_id FROM edges AS e) AS o
        GROUP BY 1, 2
    ),
    front AS MATERIALIZED (
        SELECT c.number, connection_paths.chain_contacts(
            next_contacts.tree_contacts[c.number], next_contacts.tree_contacts, next_contacts.tree_parents,
            next_contacts.tree_parents[c.number]
        ) AS contact_ids
        FROM generate_series(next_contacts.first_open, cardinality(next_contacts.tree_contacts)) AS c (number)
        WHERE next_contacts.last_minute IS NULL OR clock_timestamp() < next_contacts.last_minute
    ),
    longer AS MATERIALIZED (
        SELECT
            n.contact_id, c.number AS parent, GREATEST(next_contacts.tree_recencies[c.number], n.recency) AS recency,
            LEAST(next_contacts.tree_strengths[c.number], n.strength) AS strength,
            (n.place <= (next_contacts.request).max_edges_per_hop) IS NOT FALSE AS is_within
        FROM front AS c
        JOIN lists AS l ON l.contact_id = c.contact_ids[1] AND l.is_needed
        CROSS JOIN LATERAL connection_paths.members_off_chain(
            l.neighbour_ids, l.recencies, l.strengths, c.contact_ids, (next_contacts.request).max_edges_per_hop::bigint + 1
        ) AS n
    ),
    unopened AS MATERIALIZED ( -- longer chains of the last level that nobody opens are counted, not made
        SELECT
            count(*) FILTER (WHERE m.number > 0) AS number,
            COALESCE(bool_or(m.number > (next_contacts.request).max_edges_per_hop), false) AS is_cut
        FROM front AS c
        JOIN lists AS l ON l.contact_id = c.contact_ids[1] AND NOT l.is_needed
        CROSS JOIN LATERAL (
            SELECT CASE cardinality(enum_range(NULL::connection_paths.connection_kind))
                WHEN 1 THEN cardinality(l.neighbour_ids)
                ELSE (SELECT count(DISTINCT n.id) FROM unnest(l.neighbour_ids) AS n (id))
            END - count(*) FILTER (WHERE x.contact_id = ANY (l.neighbour_ids)) AS number
            FROM unnest(c.contact_ids) AS x (contact_id)
        ) AS m
    ),
    latest AS (
        SELECT l.contact_id, l.parent, l.recency, l.strength
        FROM longer AS l
        WHERE l.is_within AND l.contact_id IN (SELECT o.contact_id FROM openers AS o)
        ORDER BY connection_paths.path_rank(l.strength, l.recency, true)
        FETCH FIRST (next_contacts.missing) ROWS WITH TIES
    ),
    paths AS MATERIALIZED (
        SELECT l.contact_id, l.parent, l.recency, o.user_id
        FROM latest AS l
        JOIN openers AS o ON o.contact_id = l.contact_id
        ORDER BY connection_paths.path_rank(l.strength, l.recency, o.is_viewer), o.user_id, l.contact_id, l.parent
        LIMIT next_contacts.missing
    )
    SELECT p.*, l.contacts, l.parents, l.recencies, l.strengths, c.is_cut OR u.is_cut, c.number + u.number
    FROM (
        SELECT array_agg(p.contact_id), array_agg(p.parent), array_agg(p.recency), array_agg(p.user_id)
        FROM paths AS p
    ) AS p (contacts, parents, recencies, users)
    CROSS JOIN (
        SELECT
            array_agg(l.contact_id) AS contacts, array_agg(l.parent) AS parents, array_agg(l.recency) AS recencies,
            CASE WHEN next_contacts.by_strength THEN array_agg(l.strength) END AS strengths
        FROM (
            SELECT l.contact_id, l.parent, l.recency, l.strength
            FROM longer AS l
            WHERE l.is_within
                AND next_contacts.level < (next_contacts.request).max_depth
                AND (SELECT count(*) <= next_contacts.missing - 1 FROM paths AS p)
            ORDER BY l.contact_id, l.parent
        ) AS l
    ) AS l
    CROSS JOIN (SELECT COALESCE(bool_or(NOT l.is_within), false) AS is_cut, count(*) AS number FROM longer AS l) AS c
    CROSS JOIN unopened AS u;
END;

COMMENT ON FUNCTION connection_paths.next_contacts(connection_paths.search_request, bigint[], integer[], date[], smallint[], integer, integer, integer, boolean, timestamptz, boolean, boolean) IS 'Chains made longer by the best edges that lead to members who may be asked';

REVOKE ALL ON FUNCTION connection_paths.next_contacts(connection_paths.search_request, bigint[], integer[], date[], smallint[], integer, integer, integer, boolean, timestamptz, boolean, boolean)
FROM PUBLIC;
