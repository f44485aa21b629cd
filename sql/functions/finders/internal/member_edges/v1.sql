-- connection_paths.member_edges(contact_id, request, only_user_id, is_hashed)
--
-- Gives the edges of a contact that lead to members who may be asked, the best first.
--
-- Parameters
--     contact_id    The contact.
--     request       What is asked, already checked. Required.
--     only_user_id  Only members that this user brought in. NULL: all members.
--     is_hashed     True: read the whole collection first, and look up only neighbours who are in it.
-- Returns
--     One row per edge and entry of the collection. A pair with edges of several kinds comes several times.
--     neighbour_id  The member.
--     date_to       The last day of the edge; NULL: it goes on.
--     user_id       The user who brought the member in.
-- Errors
--     none
-- Reads
--     collection_members
-- Writes
--     none
-- Used by
--     front_edges, members_near_target, sql/queries/doctor/plan_member_edges.sql
-- Why
--     The planner inlines this function. It reads edges and looks neighbours up only until the caller has enough.
--     One look-up answers both who is a member and who opens. A small
--     collection may be hashed, once a statement (docs/adr/0013-members-by-look-up.md).
CREATE OR REPLACE FUNCTION connection_paths.member_edges(
    contact_id bigint,
    request connection_paths.search_request,
    only_user_id bigint,
    is_hashed boolean
)
RETURNS TABLE (neighbour_id bigint, date_to date, user_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 15
BEGIN ATOMIC
    SELECT e.neighbour_id, e.date_to, m.user_id
    FROM (
        SELECT e.neighbour_id, e.date_to
        FROM connection_paths.contact_edges(member_edges.contact_id, (member_edges.request).given_edges) AS e
        ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
        OFFSET 0 -- members are hashed once, not for either end of the edges
    ) AS e
    CROSS JOIN LATERAL (
        SELECT m.user_id
        FROM connection_paths.askable_members(
            (member_edges.request).collection_id,
            (member_edges.request).excluded_contact_ids,
            (member_edges.request).nobody_is_excluded
        ) AS m
        WHERE m.contact_id = e.neighbour_id
            AND (member_edges.only_user_id IS NULL OR m.user_id = member_edges.only_user_id)
        OFFSET 0
    ) AS m
    WHERE NOT member_edges.is_hashed
        OR e.neighbour_id IN (
            SELECT m.contact_id
            FROM connection_paths.collection_members AS m
            WHERE m.collection_id = (member_edges.request).collection_id
        )
    ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id;
END;

COMMENT ON FUNCTION connection_paths.member_edges(bigint, connection_paths.search_request, bigint, boolean) IS 'Edges of a contact that lead to members who may be asked, the best first';

REVOKE ALL ON FUNCTION connection_paths.member_edges(bigint, connection_paths.search_request, bigint, boolean) FROM PUBLIC;
