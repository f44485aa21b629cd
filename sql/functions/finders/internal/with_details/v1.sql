-- connection_paths.with_details(request, contact_ids, user_ids)
--
-- Looks up the edges of members among the neighbours of the target.
--
-- Parameters
--     request      What is asked, already checked. Required.
--     contact_ids  The target, or a member who shares an edge with it.
--     user_ids     The user who brought in each of these contacts; NULL: a user who opens no path.
-- Returns
--     One row of arrays. A member has one entry for each edge that passes the filters and each user.
--     contact_ids  The target, or the member.
--     date_tos     The last day of the edge; NULL for the target, and where the edge goes on.
--     strengths    The strength of the edge; NULL for the target. The array is NULL where the order is by recency.
--     user_ids     The user who brought in the contact; NULL: a user who opens no path.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search
-- Why
--     Where few neighbours of a hub are members, reading all its edges from the walk indexes alone and then the edges
--     of the members is faster than reading all edges from the table.
CREATE OR REPLACE FUNCTION connection_paths.with_details(
    request connection_paths.search_request,
    contact_ids bigint[],
    user_ids bigint[]
)
RETURNS TABLE (contact_ids bigint[], date_tos date[], strengths smallint[], user_ids bigint[])
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT
        array_agg(m.contact_id), array_agg(d.date_to),
        CASE WHEN (with_details.request).order_by = 'strength' THEN array_agg(d.strength) END, array_agg(m.user_id)
    FROM (
        SELECT unnest(with_details.contact_ids) AS contact_id, unnest(with_details.user_ids) AS user_id
    ) AS m
    LEFT JOIN LATERAL connection_paths.pair_edges(
        m.contact_id, (with_details.request).target_contact_id, with_details.request
    ) AS d ON true
    WHERE d.kind IS NOT NULL OR m.contact_id = (with_details.request).target_contact_id;
END;

COMMENT ON FUNCTION connection_paths.with_details(connection_paths.search_request, bigint[], bigint[]) IS 'Members among the neighbours of the target, with their edges';

REVOKE ALL ON FUNCTION connection_paths.with_details(connection_paths.search_request, bigint[], bigint[]) FROM PUBLIC;
