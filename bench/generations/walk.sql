-- generations.walk(target_contact_id, collection_id, max_depth, max_edges_per_hop, ask_everybody)
--
-- The recursive search. Returns every chain that ends at the target, with its depth and its recency, in no order.
--
-- From each chain it follows the max_edges_per_hop best edges (NULL: all) that lead to an introducer who is not on the
-- chain. With k kinds a neighbour comes at most k times, so the first k * max_edges_per_hop edges hold the first
-- max_edges_per_hop neighbours.
CREATE OR REPLACE FUNCTION generations.walk(
    target_contact_id bigint,
    collection_id bigint,
    max_depth integer,
    max_edges_per_hop integer,
    ask_everybody boolean
)
RETURNS TABLE (depth integer, contact_ids bigint[], recency date)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1000
BEGIN ATOMIC
    WITH RECURSIVE kinds AS MATERIALIZED (
        SELECT cardinality(enum_range(NULL::connection_paths.connection_kind)) AS number
    ),
    chains AS (
        SELECT
            1 AS depth,
            ARRAY[walk.target_contact_id] AS contact_ids,
            NULL::date AS recency
        UNION ALL
        SELECT
            c.depth + 1,
            n.neighbour_id || c.contact_ids,
            GREATEST(c.recency, LEAST(n.date_to, current_date))
        FROM chains AS c
        CROSS JOIN LATERAL (
            (
                SELECT e.neighbour_id, e.date_to
                FROM generations.member_edges(c.contact_ids[1], walk.collection_id, walk.ask_everybody) AS e
                WHERE e.neighbour_id <> ALL (c.contact_ids)
                    AND (SELECT k.number FROM kinds AS k) = 1
                ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
                LIMIT walk.max_edges_per_hop
            )
            UNION ALL
            (
                SELECT several.neighbour_id, several.date_to
                FROM (
                    SELECT DISTINCT ON (recent.neighbour_id) recent.neighbour_id, recent.date_to
                    FROM (
                        SELECT e.neighbour_id, e.date_to
                        FROM generations.member_edges(
                            c.contact_ids[1], walk.collection_id, walk.ask_everybody
                        ) AS e
                        WHERE e.neighbour_id <> ALL (c.contact_ids)
                            AND (SELECT k.number FROM kinds AS k) > 1
                        ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
                        LIMIT walk.max_edges_per_hop::bigint * (SELECT k.number FROM kinds AS k)
                    ) AS recent
                    ORDER BY recent.neighbour_id, recent.date_to DESC NULLS FIRST
                ) AS several
                ORDER BY several.date_to DESC NULLS FIRST, several.neighbour_id
                LIMIT walk.max_edges_per_hop
            )
        ) AS n
        WHERE c.depth < walk.max_depth
    )
    SELECT c.depth, c.contact_ids, c.recency
    FROM chains AS c;
END;

COMMENT ON FUNCTION generations.walk(bigint, bigint, integer, integer, boolean) IS 'Chains of contacts that end at the target, by a recursive walk backward from it';

REVOKE ALL ON FUNCTION generations.walk(bigint, bigint, integer, integer, boolean) FROM PUBLIC;
