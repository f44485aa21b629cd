-- connection_paths.front_edges(request, tree_contacts, chains, most, is_hashed)
--
-- Gives the best edges of the first contacts of some chains, as far as they lead to members who may be asked.
--
-- Parameters
--     request        What is asked, already checked. Required.
--     tree_contacts  The first contact of each chain of the tree.
--     chains         The chains. A contact at the front of several chains is read once.
--     most           How many edges of each contact. NULL: all.
--     is_hashed      True: read the whole collection first, and look up only neighbours who are in it.
-- Returns
--     One row per contact, neighbour and last day; the best edge of each contact first.
--     contact_id    The first contact of a chain.
--     neighbour_id  The member.
--     date_to       The last day of the edge; NULL: it goes on.
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
    tree_contacts bigint[],
    chains integer[],
    most bigint,
    is_hashed boolean
)
RETURNS TABLE (contact_id bigint, neighbour_id bigint, date_to date, user_ids bigint[])
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100
BEGIN ATOMIC
    SELECT f.contact_id, e.neighbour_id, e.date_to, e.user_ids
    FROM (
        SELECT f.contact_id
        FROM (
            SELECT DISTINCT front_edges.tree_contacts[c.number] AS contact_id
            FROM unnest(front_edges.chains) AS c (number)
        ) AS f
        WHERE (front_edges.request).deadline IS NULL OR clock_timestamp() < (front_edges.request).deadline
        OFFSET 0
    ) AS f
    CROSS JOIN LATERAL (
        SELECT
            e.neighbour_id,
            e.date_to,
            array_agg(e.user_id) FILTER (
                WHERE (front_edges.request).seed_scope = 'any'
                    OR e.user_id = (front_edges.request).viewer_user_id
            ) AS user_ids
        FROM connection_paths.member_edges(f.contact_id, front_edges.request, NULL, front_edges.is_hashed) AS e
        GROUP BY e.date_to, e.neighbour_id
        ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
        LIMIT front_edges.most
    ) AS e;
END;

COMMENT ON FUNCTION connection_paths.front_edges(connection_paths.search_request, bigint[], integer[], bigint, boolean) IS 'The best edges of the first contacts of chains that lead to members who may be asked';

REVOKE ALL ON FUNCTION connection_paths.front_edges(connection_paths.search_request, bigint[], integer[], bigint, boolean)
FROM PUBLIC;
