-- connection_paths.contact_members(contact_id, request, most, is_hashed, by_strength, is_filtered, is_weak)
--
-- Gives the best edges of a contact, as far as they lead to members who may be asked.
--
-- Parameters
--     contact_id   The contact.
--     request      What is asked, already checked. Required.
--     most         How many edges at most. NULL: all.
--     is_hashed    True: read the whole collection first, and look up only neighbours who are in it.
--     by_strength  True: the strongest edges come first. False: those that end last. A constant.
--     is_filtered  True: only edges that pass the filters of the request. A constant.
--     is_weak      By strength, false: the edges of strength 30 and more; true: the others. A constant.
-- Returns
--     One row per edge, the best first.
--     neighbour_id  The member.
--     date_to       The last day of the edge; NULL: it goes on.
--     strength      The strength of the edge; NULL where the order is by recency.
--     user_ids      The users who can open a path there; NULL: none. One may come several times.
-- Errors
--     none
-- Reads
--     collection_members
-- Writes
--     none
-- Used by
--     front_edges
-- Why
--     The planner inlines this function. Edges are read, and neighbours looked up, only until the caller has enough.
--     One look-up answers both who is a member and who opens. A small collection may be hashed, once a statement
--     (docs/adr/0013-members-by-look-up.md).
CREATE OR REPLACE FUNCTION connection_paths.contact_members(
    contact_id bigint,
    request connection_paths.search_request,
    most bigint,
    is_hashed boolean,
    by_strength boolean,
    is_filtered boolean,
    is_weak boolean
)
RETURNS TABLE (neighbour_id bigint, date_to date, strength smallint, user_ids bigint[])
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 15
BEGIN ATOMIC
    SELECT
        e.neighbour_id,
        e.date_to,
        CASE WHEN contact_members.by_strength THEN e.strength END,
        array_agg(m.user_id) FILTER (
            WHERE connection_paths.user_opens(m.user_id, (contact_members.request).opener_user_ids)
        )
    FROM (
        SELECT e.neighbour_id, e.date_to, e.strength
        FROM connection_paths.contact_edges(
            contact_members.contact_id, contact_members.request, contact_members.by_strength,
            contact_members.is_filtered, contact_members.is_weak
        ) AS e
        ORDER BY
            CASE WHEN contact_members.by_strength THEN e.strength END DESC, e.date_to DESC NULLS FIRST, e.neighbour_id
        OFFSET 0 -- neighbours are looked up in this order, not for either end of the edges
    ) AS e
    CROSS JOIN LATERAL (
        SELECT m.user_id
        FROM connection_paths.askable_members(
            (contact_members.request).collection_id,
            (contact_members.request).target_contact_id,
            (contact_members.request).excluded_contact_ids,
            (contact_members.request).nobody_is_excluded
        ) AS m
        WHERE m.contact_id = e.neighbour_id
        OFFSET 0
    ) AS m
    WHERE NOT contact_members.is_hashed
        OR e.neighbour_id IN (
            SELECT m.contact_id
            FROM connection_paths.collection_members AS m
            WHERE m.collection_id = (contact_members.request).collection_id
        )
    GROUP BY CASE WHEN contact_members.by_strength THEN e.strength END, e.date_to, e.neighbour_id
    ORDER BY
        CASE WHEN contact_members.by_strength THEN e.strength END DESC, e.date_to DESC NULLS FIRST, e.neighbour_id
    LIMIT contact_members.most;
END;

COMMENT ON FUNCTION connection_paths.contact_members(bigint, connection_paths.search_request, bigint, boolean, boolean, boolean, boolean) IS 'The best edges of a contact that lead to members who may be asked';

REVOKE ALL ON FUNCTION connection_paths.contact_members(bigint, connection_paths.search_request, bigint, boolean, boolean, boolean, boolean)
FROM PUBLIC;
