-- connection_paths.all_members(request, needs_opener)
--
-- Finds the target and all its neighbours in the collection of a search, and then looks up their edges.
--
-- Parameters
--     request       What is asked, already checked. Required.
--     needs_opener  True: only members whom an opener brought in. False: all members.
-- Returns
--     One row. An entry is the target, or an edge that passes the filters to a member who may be asked, once for each
--     user who brought in that contact. The arrays are NULL when there is none.
--     contact_ids  The target, or the member.
--     ranks        The place of the edge: see edge_rank. Meaningless for the target.
--     user_ids     The user; NULL when this user may not open a path.
--     read_to      NULL: all edges were read.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search
-- Why
--     Where most edges of a hub are needed, this is faster than near_members: the edges are read in no order from the
--     walk indexes alone, and only those of members from the table. So it serves every order and every filter
--     (docs/adr/0013-members-by-look-up.md).
CREATE OR REPLACE FUNCTION connection_paths.all_members(
    request connection_paths.search_request,
    needs_opener boolean
)
RETURNS TABLE (contact_ids bigint[], ranks bigint[], user_ids bigint[], read_to bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT
        array_agg(m.contact_id),
        array_agg(
            connection_paths.edge_rank(
                CASE (all_members.request).order_by WHEN 'strength' THEN d.strength END, d.date_to
            )
        ),
        array_agg(m.user_id), NULL::bigint
    FROM connection_paths.askable_members(all_members.request) AS m
    LEFT JOIN LATERAL connection_paths.pair_edges(
        m.contact_id, (all_members.request).target_contact_id, all_members.request
    ) AS d ON true
    WHERE m.contact_id = ANY (
        ARRAY(
            SELECT (all_members.request).target_contact_id
            UNION ALL
            SELECT n.id FROM connection_paths.neighbours((all_members.request).target_contact_id) AS n (id)
        )
    )
        AND (NOT all_members.needs_opener OR m.user_id IS NOT NULL)
        AND (d.kind IS NOT NULL OR m.contact_id = (all_members.request).target_contact_id);
END;

COMMENT ON FUNCTION connection_paths.all_members(connection_paths.search_request, boolean) IS 'The target and all its neighbours that are members of the collection, with their edges';

REVOKE ALL ON FUNCTION connection_paths.all_members(connection_paths.search_request, boolean) FROM PUBLIC;
