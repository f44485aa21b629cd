-- connection_paths.front_edges(request, contact_ids, most, is_hashed)
--
-- Gives the best edges of the first contacts of some chains, as far as they lead to members who may be asked.
--
-- Parameters
--     request      What is asked, already checked. Required.
--     contact_ids  The first contacts of the chains. One that comes several times is read once.
--     most         How many edges of each contact. NULL: all.
--     is_hashed    True: read the whole collection first, and look up only neighbours who are in it.
-- Returns
--     One row per contact, neighbour and last day; the best edge of each contact first.
--     contact_id    The first contact of a chain.
--     neighbour_id  The member.
--     date_to       The last day of the edge; NULL: it goes on.
--     user_ids      The users who can open a path there; NULL: none. One may come several times.
-- Errors
--     none
-- Reads
--     collection_members
-- Writes
--     none
-- Used by
--     next_contacts
-- Why
--     The planner inlines this function. No contact is begun after the deadline. Edges are read, and neighbours looked
--     up, only until the caller has enough. One look-up answers both who is a member and who opens. A small
--     collection may be hashed, once a statement (docs/adr/0013-members-by-look-up.md).
CREATE OR REPLACE FUNCTION connection_paths.front_edges(
    request connection_paths.search_request,
    contact_ids bigint[],
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
            SELECT DISTINCT c.contact_id
            FROM unnest(front_edges.contact_ids) AS c (contact_id)
        ) AS f
        WHERE (front_edges.request).deadline IS NULL OR clock_timestamp() < (front_edges.request).deadline
        OFFSET 0
    ) AS f
    CROSS JOIN LATERAL (
        SELECT
            e.neighbour_id,
            e.date_to,
            array_agg(m.user_id) FILTER (
                WHERE m.user_id IS NOT NULL
                    AND (
                        (front_edges.request).seed_scope = 'any'
                        OR m.user_id = (front_edges.request).viewer_user_id
                    )
            ) AS user_ids
        FROM (
            SELECT e.neighbour_id, e.date_to
            FROM connection_paths.contact_edges(f.contact_id, (front_edges.request).given_edges) AS e
            ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
            OFFSET 0 -- neighbours are looked up in this order, not for either end of the edges
        ) AS e
        CROSS JOIN LATERAL (
            SELECT m.user_id
            FROM connection_paths.askable_members(
                (front_edges.request).collection_id,
                (front_edges.request).target_contact_id,
                (front_edges.request).excluded_contact_ids,
                (front_edges.request).nobody_is_excluded
            ) AS m
            WHERE m.contact_id = e.neighbour_id
            OFFSET 0
        ) AS m
        WHERE NOT front_edges.is_hashed
            OR e.neighbour_id IN (
                SELECT m.contact_id
                FROM connection_paths.collection_members AS m
                WHERE m.collection_id = (front_edges.request).collection_id
            )
        GROUP BY e.date_to, e.neighbour_id
        ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
        LIMIT front_edges.most
    ) AS e;
END;

COMMENT ON FUNCTION connection_paths.front_edges(connection_paths.search_request, bigint[], bigint, boolean) IS 'The best edges of the first contacts of chains that lead to members who may be asked';

REVOKE ALL ON FUNCTION connection_paths.front_edges(connection_paths.search_request, bigint[], bigint, boolean)
FROM PUBLIC;
