-- connection_paths.contact_edges(contact_id, request, is_strong, is_filtered)
--
-- Gives the edges of a contact, the best first.
--
-- Parameters
--     contact_id   The contact.
--     request      What is asked, already checked. Required.
--     is_strong    NULL: all edges, the most recent first. True: the edges of strength 30 and more, the strongest
--                  first. False: all others, the strongest first. A constant.
--     is_filtered  True: only edges that pass the filters of the request. A constant.
-- Returns
--     One row per edge. By strength, the strongest edge comes first. Of equally strong edges, and by recency, an edge
--     that goes on comes first, then the latest last day, then the smaller neighbour. A pair with edges of several
--     kinds comes several times.
--     neighbour_id  The contact at the other end.
--     strength      The strength of the edge. NULL: the order by recency does not read it.
--     date_to       The last day of the edge; NULL: it goes on.
-- Errors
--     CP013  edge_shards has not one row for each shard.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     search, near_members, count_around_target, sql/queries/sweep/contacts.sql
-- Why
--     The caller's limit does not reach this function, so it reads every edge of the contact.
CREATE OR REPLACE FUNCTION connection_paths.contact_edges(
    contact_id bigint,
    request connection_paths.search_request,
    is_strong boolean,
    is_filtered boolean
)
RETURNS TABLE (neighbour_id bigint, strength smallint, date_to date)
LANGUAGE plpgsql
STABLE
PARALLEL RESTRICTED
SECURITY INVOKER
ROWS 100
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT e.neighbour_id, e.strength, e.date_to
    FROM connection_paths.stored_edges(
        ARRAY[contact_edges.contact_id], NULL, request, is_strong IS NOT NULL, is_filtered, NOT is_strong, NULL
    ) AS e
    ORDER BY e.strength DESC, e.date_to DESC NULLS FIRST, e.neighbour_id;
END
$function$;

COMMENT ON FUNCTION connection_paths.contact_edges(bigint, connection_paths.search_request, boolean, boolean) IS 'The edges of a contact, from either end, the best first, read from indexes in order';

REVOKE ALL ON FUNCTION connection_paths.contact_edges(bigint, connection_paths.search_request, boolean, boolean) FROM PUBLIC;
