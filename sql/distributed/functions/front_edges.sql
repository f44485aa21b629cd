-- connection_paths.front_edges(request, chains, most, is_hashed, by_strength, is_filtered)
--
-- Gives the best edges of the first contacts of some chains that lead to members who may be asked.
--
-- Parameters
--     request      What is asked, already checked. Required.
--     chains       The chains. A contact at the front of several chains is read once.
--     most         How many edges of each contact. NULL: all.
--     is_hashed    True: read the whole collection first, and look up only neighbours who are in it.
--     by_strength  True: the strongest edges come first. False: those that end last. A constant.
--     is_filtered  True: only edges that pass the filters of the request. A constant.
-- Returns
--     One row per contact, neighbour and edge; the best edge of each contact first.
--     contact_id    The first contact of a chain.
--     neighbour_id  The member.
--     rank          The place of the edge: see edge_rank.
-- Errors
--     CP013  edge_shards has not one row for each shard.
-- Reads
--     collection_members
-- Writes
--     none
-- Used by
--     next_contacts
-- Why
--     One query asks all shards for the edges of all contacts. A small collection is sent with it, so each shard
--     returns edges to members only. Otherwise the first query reads more edges than are needed, and a second one reads
--     all edges of the contacts that have more edges and not enough members among those.
CREATE OR REPLACE FUNCTION connection_paths.front_edges(
    request connection_paths.search_request,
    chains connection_paths.ranked_chain[],
    most bigint,
    is_hashed boolean,
    by_strength boolean,
    is_filtered boolean
)
RETURNS TABLE (contact_id bigint, neighbour_id bigint, rank bigint)
LANGUAGE plpgsql
STABLE
PARALLEL RESTRICTED
SECURITY INVOKER
ROWS 100
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
    first_read CONSTANT bigint := CASE
        WHEN is_hashed OR most IS NULL THEN most
        ELSE GREATEST(4 * most, connection_paths.search_limit('read_first'))
    END;
    member_ids CONSTANT bigint[] := CASE WHEN is_hashed THEN ARRAY(
        SELECT DISTINCT m.contact_id
        FROM connection_paths.collection_members AS m
        WHERE m.collection_id = request.collection_id
    ) END;
    unread bigint[] := ARRAY( -- the contacts whose edges are still to be read
        SELECT DISTINCT c.contact_ids[1] FROM unnest(chains) AS c WHERE c.contact_ids IS NOT NULL
    );
    to_read bigint := first_read;
    edges record;
    askable_ids bigint[]; -- the neighbours who are members and may be asked
BEGIN
    WHILE cardinality(unread) > 0 AND (clock_timestamp() < request.deadline) IS NOT FALSE LOOP
        SELECT
            array_agg(e.contact_id) AS contact_ids, array_agg(e.neighbour_id) AS neighbour_ids,
            array_agg(connection_paths.edge_rank(e.strength, e.date_to)) AS ranks
        INTO edges
        FROM (
            SELECT
                e.contact_id, e.neighbour_id, e.date_to, e.strength,
                row_number() OVER (
                    PARTITION BY e.contact_id ORDER BY connection_paths.edge_rank(e.strength, e.date_to), e.neighbour_id
                ) AS place
            FROM connection_paths.stored_edges(unread, to_read, request, by_strength, is_filtered, NULL, member_ids) AS e
        ) AS e
        WHERE to_read IS NULL OR e.place <= to_read; -- the shards together may have sent more
        EXIT WHEN edges.contact_ids IS NULL;

        askable_ids := ARRAY(
            SELECT DISTINCT m.contact_id
            FROM connection_paths.askable_members(request) AS m
            WHERE m.contact_id = ANY (edges.neighbour_ids)
        );

        unread := CASE WHEN to_read IS NULL THEN '{}' ELSE ARRAY(
            SELECT e.contact_id
            FROM unnest(edges.contact_ids, edges.neighbour_ids) AS e (contact_id, neighbour_id)
            GROUP BY e.contact_id
            HAVING count(*) >= to_read AND count(*) FILTER (WHERE e.neighbour_id = ANY (askable_ids)) < most
        ) END;
        to_read := NULL;
        RETURN QUERY
        SELECT f.contact_id, f.neighbour_id, f.rank
        FROM (
            SELECT
                e.contact_id, e.neighbour_id, e.rank,
                row_number() OVER (PARTITION BY e.contact_id ORDER BY e.rank, e.neighbour_id) AS place
            FROM unnest(edges.contact_ids, edges.neighbour_ids, edges.ranks) AS e (contact_id, neighbour_id, rank)
            JOIN unnest(askable_ids) AS m (contact_id) ON m.contact_id = e.neighbour_id
            WHERE e.contact_id <> ALL (unread)
        ) AS f
        WHERE most IS NULL OR f.place <= most
        ORDER BY f.contact_id, f.place;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.front_edges(connection_paths.search_request, connection_paths.ranked_chain[], bigint, boolean, boolean, boolean) IS 'The best edges of the first contacts of chains that lead to members who may be asked';

REVOKE ALL ON FUNCTION connection_paths.front_edges(connection_paths.search_request, connection_paths.ranked_chain[], bigint, boolean, boolean, boolean)
FROM PUBLIC;
