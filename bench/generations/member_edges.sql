-- generations.member_edges(contact_id, collection_id, ask_everybody)
--
-- Returns the edges of one contact that lead to introducers of the collection. ask_everybody is true when do_not_ask
-- has no row of the collection; nobody is then looked up there. The planner inlines it.
CREATE OR REPLACE FUNCTION generations.member_edges(contact_id bigint, collection_id bigint, ask_everybody boolean)
RETURNS TABLE (neighbour_id bigint, date_to date)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100
BEGIN ATOMIC
    SELECT e.neighbour_id, e.date_to
    FROM generations.recent_edges(member_edges.contact_id) AS e
    WHERE EXISTS (
        SELECT
        FROM generations.introducers AS m
        WHERE m.collection_id = member_edges.collection_id
            AND m.contact_id = e.neighbour_id
            AND (member_edges.ask_everybody OR m.may_be_asked)
    );
END;

COMMENT ON FUNCTION generations.member_edges(bigint, bigint, boolean) IS 'Edges of a contact that lead to members of a collection who may be asked';

REVOKE ALL ON FUNCTION generations.member_edges(bigint, bigint, boolean) FROM PUBLIC;
