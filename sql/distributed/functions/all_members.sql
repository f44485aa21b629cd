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
--     CP013  edge_shards has not one row for each shard.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search
-- Why
--     One query reads all edges of the target with the columns that the order needs. Looking up the edge of each member
--     would be a query each.
CREATE OR REPLACE FUNCTION connection_paths.all_members(
    request connection_paths.search_request,
    needs_opener boolean
)
RETURNS TABLE (contact_ids bigint[], ranks bigint[], user_ids bigint[], read_to bigint)
LANGUAGE plpgsql
STABLE
PARALLEL RESTRICTED
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    by_strength CONSTANT boolean := request.order_by = 'strength';
    edges record;
BEGIN
    SELECT
        array_agg(e.neighbour_id) AS neighbour_ids, array_agg(connection_paths.edge_rank(e.strength, e.date_to)) AS ranks
    INTO edges
    FROM connection_paths.stored_edges(
        ARRAY[request.target_contact_id], NULL, request, by_strength, true, NULL, NULL
    ) AS e;
    RETURN QUERY
    SELECT array_agg(m.contact_id), array_agg(e.rank), array_agg(m.user_id), NULL::bigint
    FROM connection_paths.askable_members(request) AS m
    LEFT JOIN unnest(edges.neighbour_ids, edges.ranks) AS e (neighbour_id, rank) ON e.neighbour_id = m.contact_id
    WHERE m.contact_id = ANY (request.target_contact_id || edges.neighbour_ids)
        AND (NOT needs_opener OR m.user_id IS NOT NULL);
END
$function$;

COMMENT ON FUNCTION connection_paths.all_members(connection_paths.search_request, boolean) IS 'The target and all its neighbours that are members of the collection, with their edges';

REVOKE ALL ON FUNCTION connection_paths.all_members(connection_paths.search_request, boolean) FROM PUBLIC;
