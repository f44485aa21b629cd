-- Compares find_paths with the rows of the plain recursion, grouped by chain.
--
-- A row per call: its number, how many paths it has, and whether they are the same (NULL: not known). The recursion
-- returns 1,000 rows at most. Where it returns so many, its deepest level may lack some: that level is left out, and a
-- call that asks for more paths than the other levels have is not compared.
SELECT
    q.number,
    (answer.document ->> 'total')::integer,
    CASE WHEN answer.document ->> 'impl' <> 'v1' AND (list.is_whole OR list.chains >= q.paths) THEN
        (answer.document ->> 'total')::integer = LEAST(list.chains, q.paths)
        AND (answer.document ->> 'truncated')::boolean = (list.chains > q.paths OR NOT list.is_whole)
        AND (answer.document ->> 'complete')::boolean
        AND answer.paths IS NOT DISTINCT FROM list.paths
    END
FROM jsonb_to_recordset(%s) AS q (
    number integer, target bigint, collection bigint, viewer bigint, depth integer, paths integer, scope text,
    cap integer
)
CROSS JOIN LATERAL (
    SELECT
        COALESCE(max(c.is_whole::integer), 1) = 1 AS is_whole,
        count(*) FILTER (WHERE c.counts) AS chains,
        jsonb_agg(c.path ORDER BY c.place) FILTER (WHERE c.counts AND c.place <= q.paths) AS paths
    FROM (
        SELECT
            g.is_whole,
            g.is_whole OR g.depth < g.deepest AS counts,
            row_number() OVER (
                ORDER BY g.depth, g.recency DESC, g.user_ids[1] = q.viewer DESC, g.contact_ids
            ) AS place,
            jsonb_build_object(
                'depth', g.depth, 'user_ids', g.user_ids, 'contact_ids', g.contact_ids, 'recency', g.recency,
                'hops', (
                    SELECT COALESCE(jsonb_agg(
                        jsonb_build_object(
                            'from', g.contact_ids[h.hop], 'to', g.contact_ids[h.hop + 1],
                            'organization_id', g.organization_ids[h.hop],
                            'date_from', g.date_froms[h.hop], 'date_to', g.date_tos[h.hop]
                        )
                        ORDER BY h.hop
                    ), '[]')
                    FROM generate_series(1, g.depth - 1) AS h (hop)
                )
            ) AS path
        FROM (
            SELECT
                f.depth, f.contact_ids, f.recency, f.organization_ids, f.date_froms, f.date_tos,
                array_agg(f.user_id ORDER BY f.user_id <> q.viewer, f.user_id) AS user_ids,
                sum(count(*)) OVER () < 1000 AS is_whole,
                max(f.depth) OVER () AS deepest
            FROM generations.recursive_finder(
                q.target, q.collection, q.viewer, q.depth, 1000, q.scope, q.cap
            ) AS f
            GROUP BY 1, 2, 3, 4, 5, 6
        ) AS g
    ) AS c
) AS list
CROSS JOIN LATERAL (
    SELECT d.document, (
        SELECT jsonb_agg(
            p.path || jsonb_build_object('hops', (
                SELECT COALESCE(jsonb_agg(h.hop - 'kind' ORDER BY h.place), '[]')
                FROM jsonb_array_elements(p.path -> 'hops') WITH ORDINALITY AS h (hop, place)
            ))
            ORDER BY p.place
        )
        FROM jsonb_array_elements(d.document -> 'paths') WITH ORDINALITY AS p (path, place)
    ) AS paths
    FROM (
        SELECT connection_paths.find_paths(
            q.target, q.collection, q.viewer, q.depth, q.paths, q.scope, time_budget_ms => 3600000,
            max_edges_per_hop => q.cap
        )
        OFFSET 0  -- a fence, so that each document is made once
    ) AS d (document)
) AS answer
