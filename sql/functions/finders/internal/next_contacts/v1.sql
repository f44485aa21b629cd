-- connection_paths.next_contacts(request, chains, level, missing, is_hashed, last_minute, by_strength, is_filtered)
--
-- Makes chains longer by the best edges of their first contacts that lead to members who may be asked.
--
-- Parameters
--     request      What is asked, already checked. Required.
--     chains       The chains to make longer.
--     level        Contacts on each longer chain.
--     missing      How many paths are missing. NULL: any number.
--     is_hashed    True: read the whole collection first, and look up only neighbours who are in it.
--     last_minute  No chain is made longer after this time. NULL: never.
--     by_strength  True: the strongest edges come first. False: those that end last. A constant.
--     is_filtered  True: only edges that pass the filters of the request. A constant.
-- Returns
--     One row.
--     paths        The paths found, the best first. Where the request counts a chain once, whoever opens it
--                  (by_chain), the user of a path is NULL.
--     open_chains  The longer chains. Empty where the request is filled, and at the last level.
--     is_cut       True when the cap leaves out some chain.
--     number       How many longer chains there are.
-- Errors
--     none
-- Reads
--     collection_members
-- Writes
--     none
-- Used by
--     longer_paths
-- Why
--     From front_edges, each contact gets a list of max_edges_per_hop + level - 1 members. Up to level - 2 of them may
--     be on the chain already. One more shows whether the cap leaves a member out. With several kinds of edges, a
--     member may be in a list once for each kind, so the list is longer. With one kind, no member is in a list twice,
--     so the search for an earlier place of a member is left out.
--     Each contact's list is made once, however many chains begin with the contact. The users who can open a path are
--     looked up for all longer chains together. front_edges has left out the contacts who may not be asked.
CREATE OR REPLACE FUNCTION connection_paths.next_contacts(
    request connection_paths.search_request,
    chains connection_paths.ranked_chain[],
    level integer,
    missing integer,
    is_hashed boolean,
    last_minute timestamptz,
    by_strength boolean,
    is_filtered boolean
)
RETURNS TABLE (
    paths connection_paths.ranked_chain[], open_chains connection_paths.ranked_chain[], is_cut boolean, number bigint
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    WITH lists AS MATERIALIZED (
        SELECT f.contact_id, array_agg(f.neighbour_id) AS neighbour_ids, array_agg(f.rank) AS ranks
        FROM connection_paths.front_edges(
            next_contacts.request, next_contacts.chains,
            ((next_contacts.request).max_edges_per_hop::bigint + next_contacts.level - 1)
            * cardinality(enum_range(NULL::connection_paths.connection_kind)),
            next_contacts.is_hashed, next_contacts.by_strength, next_contacts.is_filtered
        ) AS f
        GROUP BY f.contact_id
    ),
    longer AS MATERIALIZED (
        SELECT
            n.contact_id, c.contact_ids AS rest, connection_paths.longer_rank(c.rank, n.rank) AS rank,
            (n.place <= (next_contacts.request).max_edges_per_hop) IS NOT FALSE AS is_within
        FROM (
            SELECT c.contact_ids, c.rank, l.neighbour_ids, l.ranks
            FROM lists AS l
            JOIN unnest(next_contacts.chains) AS c ON c.contact_ids[1] = l.contact_id
            WHERE next_contacts.last_minute IS NULL OR clock_timestamp() < next_contacts.last_minute
            OFFSET 0
        ) AS c
        CROSS JOIN LATERAL (
            SELECT e.contact_id, e.rank, row_number() OVER () AS place
            FROM (
                SELECT
                    unnest(c.neighbour_ids) AS contact_id, unnest(c.ranks) AS rank,
                    generate_subscripts(c.neighbour_ids, 1) AS position
            ) AS e
            WHERE e.contact_id <> ALL (c.contact_ids)
                AND (
                    (SELECT cardinality(enum_range(NULL::connection_paths.connection_kind)) = 1) -- computed once a statement
                    OR array_position(c.neighbour_ids, e.contact_id) = e.position
                )
            LIMIT (next_contacts.request).max_edges_per_hop::bigint + 1
        ) AS n
    ),
    found AS MATERIALIZED ( -- both columns below read it; without MATERIALIZED, it would be computed twice
        SELECT ARRAY(
            SELECT ROW(p.contact_id || p.rest, p.user_id, p.rank)::connection_paths.ranked_chain
            FROM (
                SELECT l.contact_id, l.rest, o.user_id, l.rank - o.is_viewer::integer AS rank
                FROM longer AS l
                JOIN (
                    SELECT
                        m.contact_id, CASE WHEN NOT (next_contacts.request).by_chain THEN m.user_id END AS user_id,
                        bool_or(m.user_id = (next_contacts.request).viewer_user_id) AS is_viewer
                    FROM connection_paths.collection_members AS m
                    WHERE m.collection_id = (next_contacts.request).collection_id
                        AND m.contact_id = ANY (ARRAY(SELECT DISTINCT l.contact_id FROM longer AS l))
                        AND connection_paths.user_opens(
                            m.user_id, (next_contacts.request).opener_user_ids, (next_contacts.request).closed_user_ids
                        )
                    GROUP BY 1, 2
                ) AS o ON o.contact_id = l.contact_id
                WHERE l.is_within
                ORDER BY 4, 3, 1, 2
                LIMIT next_contacts.missing
            ) AS p
        ) AS paths
    )
    SELECT
        f.paths,
        ARRAY(
            SELECT ROW(l.contact_id || l.rest, NULL, l.rank)::connection_paths.ranked_chain
            FROM longer AS l
            WHERE l.is_within
                AND next_contacts.level < (next_contacts.request).max_depth
                AND (cardinality(f.paths) < next_contacts.missing) IS NOT FALSE
        ),
        c.is_cut, c.number
    FROM found AS f
    CROSS JOIN (SELECT COALESCE(bool_or(NOT l.is_within), false) AS is_cut, count(*) AS number FROM longer AS l) AS c;
END;

COMMENT ON FUNCTION connection_paths.next_contacts(connection_paths.search_request, connection_paths.ranked_chain[], integer, integer, boolean, timestamptz, boolean, boolean) IS 'Chains made longer by the best edges that lead to members who may be asked';

REVOKE ALL ON FUNCTION connection_paths.next_contacts(connection_paths.search_request, connection_paths.ranked_chain[], integer, integer, boolean, timestamptz, boolean, boolean)
FROM PUBLIC;
