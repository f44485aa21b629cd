-- connection_paths.front_edges(request, contact_ids, most, is_hashed, by_strength, is_filtered)
--
-- Gives the best edges of the first contacts of some chains, as far as they lead to members who may be asked.
--
-- Parameters
--     request      What is asked, already checked. Required.
--     contact_ids  The first contacts of the chains. One that comes several times is read once.
--     most         How many edges of each contact. NULL: all.
--     is_hashed    True: read the whole collection first, and look up only neighbours who are in it.
--     by_strength  True: the strongest edges come first. False: those that end last. A constant.
--     is_filtered  True: only edges that pass the filters of the request. A constant.
-- Returns
--     One row per contact, neighbour and edge; the best edge of each contact first.
--     contact_id    The first contact of a chain.
--     neighbour_id  The member.
--     date_to       The last day of the edge; NULL: it goes on.
--     strength      The strength of the edge; NULL where the order is by recency.
--     user_ids      The users who can open a path there; NULL: none. One may come several times.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     next_contacts
-- Why
--     The planner inlines this function. No contact is begun after the deadline.
CREATE OR REPLACE FUNCTION connection_paths.front_edges(
    request connection_paths.search_request,
    contact_ids bigint[],
    most bigint,
    is_hashed boolean,
    by_strength boolean,
    is_filtered boolean
)
RETURNS TABLE (contact_id bigint, neighbour_id bigint, date_to date, strength smallint, user_ids bigint[])
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100
BEGIN ATOMIC
    SELECT f.contact_id, e.neighbour_id, e.date_to, e.strength, e.user_ids
    FROM (
        SELECT f.contact_id
        FROM (
            SELECT DISTINCT c.contact_id
            FROM unnest(front_edges.contact_ids) AS c (contact_id)
        ) AS f
        WHERE (front_edges.request).deadline IS NULL OR clock_timestamp() < (front_edges.request).deadline
        OFFSET 0
    ) AS f
    CROSS JOIN LATERAL (
        SELECT m.neighbour_id, m.date_to, m.strength, m.user_ids
        FROM (
            SELECT m.neighbour_id, m.date_to, m.strength, m.user_ids
            FROM connection_paths.contact_members(
                f.contact_id, front_edges.request, front_edges.most, front_edges.is_hashed,
                front_edges.by_strength, front_edges.is_filtered, false
            ) AS m
            WHERE NOT front_edges.by_strength AND NOT front_edges.is_filtered OR NOT front_edges.is_hashed
            UNION ALL
            SELECT m.neighbour_id, m.date_to, m.strength, m.user_ids
            FROM connection_paths.contact_members(
                f.contact_id, front_edges.request, front_edges.most, front_edges.is_hashed,
                front_edges.by_strength, front_edges.is_filtered, true
            ) AS m
            WHERE front_edges.by_strength AND NOT front_edges.is_hashed
            UNION ALL
            SELECT m.neighbour_id, m.date_to, CASE WHEN front_edges.by_strength THEN m.strength END, m.user_ids
            FROM connection_paths.few_members(f.contact_id, front_edges.request, front_edges.most) AS m
            WHERE (front_edges.by_strength OR front_edges.is_filtered) AND front_edges.is_hashed
        ) AS m
        LIMIT front_edges.most
    ) AS e;
END;

COMMENT ON FUNCTION connection_paths.front_edges(connection_paths.search_request, bigint[], bigint, boolean, boolean, boolean) IS 'The best edges of the first contacts of chains that lead to members who may be asked';

REVOKE ALL ON FUNCTION connection_paths.front_edges(connection_paths.search_request, bigint[], bigint, boolean, boolean, boolean)
FROM PUBLIC;
