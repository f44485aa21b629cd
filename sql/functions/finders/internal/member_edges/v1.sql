-- connection_paths.member_edges(contact_id, request, only_user_id, looked_up, most_hashed)
--
-- Gives the edges of a contact that lead to members who may be asked, the best first.
--
-- Parameters
--     contact_id    The contact.
--     request       What is asked, already checked. Required.
--     looked_up     How many neighbours are looked up one by one, whatever the collection.
--     most_hashed   After that, a collection of at most so many entries is hashed.
--     only_user_id  Only members that this user brought in. NULL: all members.
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
--     next_contacts, members_near_target
-- Why
--     The planner inlines this function. It reads edges and looks neighbours up only until the caller has enough.
--     One look-up answers both who is a member and who opens. Beyond the 300th edge of a contact, a collection of
--     few members is hashed once a statement (docs/adr/0013-members-by-array.md).
CREATE OR REPLACE FUNCTION connection_paths.member_edges(
    contact_id bigint,
    request connection_paths.search_request,
    only_user_id bigint,
    looked_up integer,
    most_hashed integer
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
        SELECT
            e.neighbour_id,
            e.date_to,
            row_number() OVER (ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id) AS place
        FROM connection_paths.contact_edges(member_edges.contact_id, (member_edges.request).given_edges) AS e
    ) AS e
    CROSS JOIN LATERAL (
        SELECT m.user_id
        FROM connection_paths.askable_members(
            (member_edges.request).collection_id,
            (member_edges.request).excluded_contact_ids,
            (member_edges.request).ask_everybody
        ) AS m
        WHERE m.contact_id = e.neighbour_id
            AND (member_edges.only_user_id IS NULL OR m.user_id = member_edges.only_user_id)
        OFFSET 0
    ) AS m
    WHERE CASE
        WHEN e.place <= member_edges.looked_up THEN true
        WHEN (
            SELECT count(*) <= member_edges.most_hashed
            FROM (
                SELECT
                FROM connection_paths.collection_members AS m
                WHERE m.collection_id = (member_edges.request).collection_id
                LIMIT member_edges.most_hashed + 1
            ) AS m
        )
            THEN e.neighbour_id IN (
                SELECT m.contact_id
                FROM connection_paths.collection_members AS m
                WHERE m.collection_id = (member_edges.request).collection_id
            )
        ELSE true
    END
    ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id;
END;

COMMENT ON FUNCTION connection_paths.member_edges(bigint, connection_paths.search_request, bigint, integer, integer) IS 'Edges of a contact that lead to members who may be asked, the best first';

REVOKE ALL ON FUNCTION connection_paths.member_edges(bigint, connection_paths.search_request, bigint, integer, integer) FROM PUBLIC;
