-- connection_paths.member_edges(contact_id, collection_id, ask_everybody): edges of one contact that lead to members.
--
-- contact_id     the contact to walk from
-- collection_id  the collection whose members may be walked through, if they may be asked
-- ask_everybody  true where do_not_ask has nobody of the collection: then nobody is looked up there. A literal, best:
--                the planner then leaves nothing but the look-up of the member.
-- Returns the neighbour and the date_to of the edge, a row per edge (so a pair with several kinds comes several times).
--
-- Inlined, and so is recent_edges, whose header says what ORDER BY and LIMIT become.
CREATE OR REPLACE FUNCTION connection_paths.member_edges(contact_id bigint, collection_id bigint, ask_everybody boolean)
RETURNS TABLE (neighbour_id bigint, date_to date)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100
BEGIN ATOMIC
    SELECT e.neighbour_id, e.date_to
    FROM connection_paths.recent_edges(member_edges.contact_id) AS e
    WHERE EXISTS (
        SELECT
        FROM connection_paths.introducers AS m
        WHERE m.collection_id = member_edges.collection_id
            AND m.contact_id = e.neighbour_id
            AND (member_edges.ask_everybody OR m.may_be_asked)
    );
END;

COMMENT ON FUNCTION connection_paths.member_edges(bigint, bigint, boolean) IS 'Edges of a contact that lead to members of a collection who may be asked';

REVOKE ALL ON FUNCTION connection_paths.member_edges(bigint, bigint, boolean) FROM PUBLIC;
