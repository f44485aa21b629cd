-- connection_paths.walk(target_contact_id, collection_id, max_depth, max_edges_per_hop, ask_everybody): chains of
-- contacts that end at the target, found backward from it.
--
-- From a partial chain follow the most recent edges, max_edges_per_hop of them (NULL: all), among those that lead to a
-- member who may be asked (ask_everybody: see member_edges) and is not on the chain. All these conditions hold before
-- the limit: a hub's budget is never spent on people who cannot be used. A neighbour reachable by several kinds counts
-- once, by its most recent edge.
--
-- Returns depth (contacts on the chain), contact_ids (the target last) and recency (the latest date_to on the chain,
-- going on or a future date being today; NULL at depth 1). Whether anybody may open a chain is not asked here. In no
-- order.
--
-- The limit and the kinds: with k kinds a neighbour comes at most k times, so the first k * limit edges hold the
-- first `limit` neighbours. Where there is one kind, nearly always, the plan's other branch is never run.
CREATE OR REPLACE FUNCTION connection_paths.walk(
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
                FROM connection_paths.member_edges(c.contact_ids[1], walk.collection_id, walk.ask_everybody) AS e
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
                        FROM connection_paths.member_edges(
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

COMMENT ON FUNCTION connection_paths.walk(bigint, bigint, integer, integer, boolean) IS 'Chains of contacts that end at the target, by a recursive walk backward from it';

REVOKE ALL ON FUNCTION connection_paths.walk(bigint, bigint, integer, integer, boolean) FROM PUBLIC;
