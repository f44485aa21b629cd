-- connection_paths.few_members(contact_id, request, most)
--
-- Gives the best edges of a contact that lead to members who may be asked, in a small collection.
--
-- Parameters
--     contact_id  The contact.
--     request     What is asked, already checked. Required.
--     most        How many edges at most. NULL: all.
-- Returns
--     One row per member, the best first.
--     neighbour_id  The member.
--     date_to       The last day of the best edge; NULL: it goes on.
--     strength      The strength of that edge.
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
--     The planner inlines this function. It compares the neighbours with the whole collection, which is read and hashed
--     once a statement, and looks up the edges of the few that are members: see with_details.
CREATE OR REPLACE FUNCTION connection_paths.few_members(
    contact_id bigint,
    request connection_paths.search_request,
    most bigint
)
RETURNS TABLE (neighbour_id bigint, date_to date, strength smallint, user_ids bigint[])
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 15
BEGIN ATOMIC
    SELECT e.neighbour_id, d.date_to, d.strength, m.user_ids
    FROM (
        SELECT e.neighbour_id
        FROM connection_paths.contact_edges(few_members.contact_id, few_members.request, false, false, false) AS e
        WHERE e.neighbour_id IN (
            SELECT m.contact_id
            FROM connection_paths.collection_members AS m
            WHERE m.collection_id = (few_members.request).collection_id
        )
        GROUP BY e.neighbour_id
        OFFSET 0
    ) AS e
    CROSS JOIN LATERAL (
        SELECT
            array_agg(m.user_id) FILTER (
                WHERE connection_paths.user_opens(m.user_id, (few_members.request).opener_user_ids)
            ) AS user_ids
        FROM connection_paths.askable_members(
            (few_members.request).collection_id,
            (few_members.request).target_contact_id,
            (few_members.request).excluded_contact_ids,
            (few_members.request).nobody_is_excluded
        ) AS m
        WHERE m.contact_id = e.neighbour_id
        HAVING count(*) > 0
    ) AS m
    CROSS JOIN LATERAL connection_paths.edge_details(
        few_members.contact_id, e.neighbour_id, few_members.request
    ) AS d
    ORDER BY
        CASE WHEN (few_members.request).order_by = 'strength' THEN d.strength END DESC,
        d.date_to DESC NULLS FIRST, e.neighbour_id
    LIMIT few_members.most;
END;

COMMENT ON FUNCTION connection_paths.few_members(bigint, connection_paths.search_request, bigint) IS 'The best edges of a contact that lead to members of a small collection who may be asked';

REVOKE ALL ON FUNCTION connection_paths.few_members(bigint, connection_paths.search_request, bigint) FROM PUBLIC;
