-- connection_paths.stored_edges(contact_ids, most, request, by_strength, is_filtered, is_weak, member_ids)
--
-- Gives the best edges of some contacts, from all shards.
--
-- Parameters
--     contact_ids  The contacts, each once. Required.
--     most         How many edges of each contact are needed, the best ones. NULL: all.
--     request      The filters. Required where is_filtered is true.
--     by_strength  False: the latest last day comes first (going on before all), then the smaller neighbour. True: the
--                  strongest edge comes first, then the same.
--     is_filtered  True: only edges that pass the filters of the request.
--     is_weak      By strength, false gives the edges of strength 30 and more, and true all others. NULL: all edges.
--     member_ids   Only edges to these contacts. NULL: all.
-- Returns
--     One row per edge, in no order. A pair with edges of several kinds comes several times. Each shard gives its best
--     edges, so there may be more than most of a contact.
--     contact_id    The contact.
--     neighbour_id  The contact at the other end.
--     date_to       The last day of the edge; NULL: it goes on.
--     strength      The strength of the edge; NULL where the order is by recency.
-- Errors
--     CP013  edge_shards has not one row for each shard.
-- Reads
--     edge_shards
-- Writes
--     none
-- Used by
--     contact_edges, all_members, front_edges
-- Why
--     One query asks all shards at the same time, for all contacts of a level of the search.
--     After a shard was split, one of the two may have no row in edge_shards. The search would not find its edges, so a
--     missing answer is an error. The answers say which hash values they cover, and together these must be all 2^32.
--     The number of shards would not show that: a shard may be split between the moment when the shards are counted and
--     the moment when Citus plans the query.
CREATE OR REPLACE FUNCTION connection_paths.stored_edges(
    contact_ids bigint[],
    most bigint,
    request connection_paths.search_request,
    by_strength boolean,
    is_filtered boolean,
    is_weak boolean,
    member_ids bigint[]
)
RETURNS TABLE (contact_id bigint, neighbour_id bigint, date_to date, strength smallint)
LANGUAGE plpgsql
STABLE
PARALLEL RESTRICTED
SECURITY INVOKER
ROWS 1000
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = auto -- Citus cannot plan a statement whose parameters it does not know
AS $function$
#variable_conflict use_column
DECLARE
    kinds CONSTANT connection_paths.connection_kind[] := CASE WHEN is_filtered THEN request.kinds END;
    min_strength CONSTANT integer := CASE WHEN is_filtered THEN request.min_strength END;
    ended_after CONSTANT date := CASE WHEN is_filtered THEN request.ended_after END;
    via_organization_ids CONSTANT bigint[] := CASE WHEN is_filtered THEN request.via_organization_ids END;
    not_via_organization_ids CONSTANT bigint[] := CASE WHEN is_filtered THEN request.not_via_organization_ids END;
    answer record;
    answers integer := 0;
    first_hashes bigint[] := '{}'; -- of the shards that have answered
    covered bigint := 0; -- hash values of these shards
BEGIN
    FOR answer IN
        SELECT s.of_contact_ids, s.neighbour_ids, s.date_tos, s.strengths, s.first_hash, s.last_hash
        FROM connection_paths.edge_shards AS k
        CROSS JOIN LATERAL connection_paths.shard_edges(
            k.shard_key, stored_edges.contact_ids, stored_edges.most, by_strength, is_weak, member_ids,
            kinds, min_strength, ended_after, via_organization_ids, not_via_organization_ids
        ) AS s
    LOOP
        answers := answers + 1;
        IF answer.first_hash <> ALL (first_hashes) THEN
            first_hashes := first_hashes || answer.first_hash;
            covered := covered + answer.last_hash - answer.first_hash + 1;
        END IF;
        RETURN QUERY
        SELECT e.contact_id, e.neighbour_id, e.date_to, e.strength
        FROM unnest(answer.of_contact_ids, answer.neighbour_ids, answer.date_tos, answer.strengths)
            AS e (contact_id, neighbour_id, date_to, strength);
    END LOOP;
    IF answers <> cardinality(first_hashes) OR covered <> 4294967296 THEN
        RAISE EXCEPTION 'edge_shards has not one row for each shard of contact_connections'
            USING ERRCODE = 'CP013', HINT = 'Run orchestrator install. If a shard was just split, repeat the call.',
                DETAIL = format('%s answers cover %s of 4294967296 hash values.', answers, covered);
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.stored_edges(bigint[], bigint, connection_paths.search_request, boolean, boolean, boolean, bigint[]) IS 'The best edges of some contacts, from all shards';

REVOKE ALL ON FUNCTION connection_paths.stored_edges(bigint[], bigint, connection_paths.search_request, boolean, boolean, boolean, bigint[])
FROM PUBLIC;
