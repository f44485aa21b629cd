-- connection_paths.shard_edges(shard_key, contact_ids, most, by_strength, is_weak, member_ids, kinds, min_strength,
--     ended_after, via_organization_ids, not_via_organization_ids)
--
-- Gives the best edges of some contacts among the edges of one shard.
--
-- Parameters
--     shard_key    A key of edge_shards, which says which shard.
--     contact_ids  The contacts, each once. Required.
--     most         How many edges of each contact at most. NULL: all.
--     by_strength  False: the latest last day comes first (going on before all), then the smaller neighbour. True: the
--                  strongest edge comes first, then the same.
--     is_weak      By strength, false gives the edges of strength 30 and more, and true all others. NULL: all edges.
--     member_ids   Only edges to these contacts. NULL: all.
--     kinds, min_strength, ended_after, via_organization_ids, not_via_organization_ids
--                  The filters of the search, as in its request. NULL: no such filter.
-- Returns
--     One row of arrays, which have an entry for each edge. They are NULL where there is no edge.
--     of_contact_ids  The contact.
--     neighbour_ids   The contact at the other end.
--     date_tos        The last day of the edge; NULL: it goes on.
--     strengths       The strength of the edge; NULL where the order is by recency.
--     first_hash      The smallest hash value of the shard.
--     last_hash       The greatest hash value of the shard.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     stored_edges
-- Why
--     A worker of Citus executes this function. There, contact_connections means the edges of all shards, and only the
--     table of one shard can be read in the order of its indexes. The name of that table ends with the number of the
--     shard, so the text of the query is composed here. Its two arms are those of contact_edges.
--     The filters are those of edge_passes. They are separate parameters: with a search_request, each worker would need
--     that type and every function that uses it.
--     One row of arrays takes half of the time of a row for each edge. It also shows that the shard has answered: its
--     hash values tell the caller which part of the edges was read, also while a shard is being split.
CREATE OR REPLACE FUNCTION connection_paths.shard_edges(
    shard_key bigint,
    contact_ids bigint[],
    most bigint,
    by_strength boolean,
    is_weak boolean,
    member_ids bigint[],
    kinds connection_paths.connection_kind[],
    min_strength integer,
    ended_after date,
    via_organization_ids bigint[],
    not_via_organization_ids bigint[],
    OUT of_contact_ids bigint[],
    OUT neighbour_ids bigint[],
    OUT date_tos date[],
    OUT strengths smallint[],
    OUT first_hash bigint,
    OUT last_hash bigint
)
RETURNS record
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $function$
DECLARE
    shard_id CONSTANT bigint := pg_catalog.get_shard_id_for_distribution_column(
        'connection_paths.contact_connections', shard_key
    );
    shard CONSTANT text := pg_catalog.format('connection_paths.%I', 'contact_connections_' || shard_id::text);
    best_first CONSTANT text := CASE WHEN by_strength THEN '%1$s.strength DESC, ' ELSE '' END
        || '%1$s.date_to DESC NULLS FIRST, %1$s.%2$s';
    conditions CONSTANT text := CASE
            WHEN NOT by_strength OR is_weak IS NULL THEN ''
            WHEN is_weak THEN ' AND c.strength < 30'
            ELSE ' AND c.strength >= 30'
        END
        || CASE WHEN member_ids IS NOT NULL THEN ' AND c.%1$I = ANY ($3)' ELSE '' END
        || CASE WHEN kinds IS NOT NULL THEN ' AND c.kind = ANY ($4)' ELSE '' END
        || CASE WHEN min_strength IS NOT NULL THEN ' AND c.strength >= $5' ELSE '' END
        || CASE WHEN ended_after IS NOT NULL THEN ' AND (c.date_to IS NULL OR c.date_to >= $6)' ELSE '' END
        || CASE WHEN via_organization_ids IS NOT NULL THEN ' AND c.organization_id = ANY ($7)' ELSE '' END
        || CASE WHEN not_via_organization_ids IS NOT NULL
            THEN ' AND (c.organization_id = ANY ($8)) IS NOT TRUE'
            ELSE ''
        END;
    arm CONSTANT text := '(SELECT c.%1$I AS neighbour_id, c.date_to, '
        || CASE WHEN by_strength THEN 'c.strength' ELSE 'NULL::smallint AS strength' END
        || ' FROM ' || shard || ' AS c WHERE c.%2$I = f.contact_id' || conditions
        || ' ORDER BY ' || pg_catalog.format(best_first, 'c', '%1$I') || ')';
BEGIN
    EXECUTE 'SELECT array_agg(f.contact_id), array_agg(e.neighbour_id), array_agg(e.date_to), '
        || CASE WHEN by_strength THEN 'array_agg(e.strength)' ELSE 'NULL::smallint[]' END
        || ' FROM unnest($1) AS f (contact_id) CROSS JOIN LATERAL (SELECT * FROM ('
        || pg_catalog.format(arm, 'contact_b_id', 'contact_a_id')
        || ' UNION ALL '
        || pg_catalog.format(arm, 'contact_a_id', 'contact_b_id')
        || ') AS e ORDER BY ' || pg_catalog.format(best_first, 'e', 'neighbour_id') || ' LIMIT $2) AS e'
    INTO of_contact_ids, neighbour_ids, date_tos, strengths
    USING contact_ids, most, member_ids, kinds, min_strength, ended_after, via_organization_ids,
        not_via_organization_ids;
    SELECT s.shardminvalue::bigint, s.shardmaxvalue::bigint
    INTO first_hash, last_hash
    FROM pg_catalog.pg_dist_shard AS s
    WHERE s.shardid = shard_id;
END
$function$;

COMMENT ON FUNCTION connection_paths.shard_edges(bigint, bigint[], bigint, boolean, boolean, bigint[], connection_paths.connection_kind[], integer, date, bigint[], bigint[]) IS 'The best edges of some contacts in one shard; a worker of Citus executes it';

REVOKE ALL ON FUNCTION connection_paths.shard_edges(bigint, bigint[], bigint, boolean, boolean, bigint[], connection_paths.connection_kind[], integer, date, bigint[], bigint[])
FROM PUBLIC;
