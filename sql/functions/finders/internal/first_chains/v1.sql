-- connection_paths.first_chains(request, member_ids, date_tos, strengths)
--
-- Gives the chains of two contacts from which the search goes on.
--
-- Parameters
--     request     What is asked, already checked. Required.
--     member_ids  The target, and the members who share an edge with it, as near_members returns them.
--     date_tos    The last day of each of these edges; NULL for the target, and where the edge goes on.
--     strengths   The strength of each of these edges; NULL where the order is by recency.
-- Returns
--     One row: the tree that longer_paths begins with. Its first chain is the target alone.
--     contacts   The first contact of each chain.
--     parents    The rest of each chain, itself a chain; 0 for the target alone.
--     recencies  The recency of each chain.
--     strengths  The strength of the weakest edge of each chain; NULL where the order is by recency.
--     is_cut     True when the cap keeps the search from going on from some chain.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     longer_paths
CREATE OR REPLACE FUNCTION connection_paths.first_chains(
    request connection_paths.search_request,
    member_ids bigint[],
    date_tos date[],
    strengths smallint[]
)
RETURNS TABLE (contacts bigint[], parents integer[], recencies date[], strengths smallint[], is_cut boolean)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    SELECT
        (first_chains.request).target_contact_id || array_agg(m.contact_id ORDER BY m.contact_id), 0 || array_agg(1),
        '-infinity'::date
        || array_agg(LEAST(connection_paths.rank_recency(m.rank), current_date) ORDER BY m.contact_id),
        CASE WHEN first_chains.strengths IS NOT NULL THEN
            100::smallint || array_agg(connection_paths.rank_strength(m.rank) ORDER BY m.contact_id)
        END,
        COALESCE(max(m.number) > (first_chains.request).max_edges_per_hop, false)
    FROM (
        SELECT
            m.contact_id, count(*) OVER () AS number,
            min(connection_paths.path_rank(m.strength, COALESCE(m.date_to, 'infinity'), true)) AS rank
        FROM unnest(first_chains.member_ids, first_chains.date_tos, first_chains.strengths)
            AS m (contact_id, date_to, strength)
        WHERE m.contact_id <> (first_chains.request).target_contact_id
        GROUP BY m.contact_id
        ORDER BY rank, m.contact_id
        LIMIT (first_chains.request).max_edges_per_hop
    ) AS m;
END;

COMMENT ON FUNCTION connection_paths.first_chains(connection_paths.search_request, bigint[], date[], smallint[]) IS 'The chains of two contacts from which the search goes on';

REVOKE ALL ON FUNCTION connection_paths.first_chains(connection_paths.search_request, bigint[], date[], smallint[])
FROM PUBLIC;
