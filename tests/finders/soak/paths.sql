-- Compares find_paths with the plain recursion.
--
-- A row per call: its number, how many paths it has, and whether they are the same (NULL: the collection has v1).
SELECT
    q.number,
    (answer.document ->> 'total')::integer,
    CASE WHEN answer.document ->> 'impl' <> 'v1' THEN
        (answer.document ->> 'total')::integer = LEAST(list.chains, q.paths)
        AND (answer.document ->> 'truncated')::boolean = (list.chains > q.paths)
        AND (answer.document ->> 'complete')::boolean
        AND answer.paths IS NOT DISTINCT FROM list.paths
    END
FROM jsonb_to_recordset(%s) AS q (
    number integer, target bigint, collection bigint, viewer bigint, depth integer, paths integer, scope text,
    cap integer, order_by text, min_strength integer, ended_after date, via bigint[], not_via bigint[],
    openers bigint[], per_introducer integer
)
CROSS JOIN LATERAL (
    SELECT
        count(*) AS chains,
        jsonb_agg(
            jsonb_build_object(
                'depth', f.depth, 'user_ids', f.user_ids, 'contact_ids', f.contact_ids, 'recency', f.recency,
                'strength', f.strength,
                'hops', (
                    SELECT COALESCE(jsonb_agg(
                        jsonb_build_object(
                            'from', f.contact_ids[h.hop], 'to', f.contact_ids[h.hop + 1],
                            'organization_id', f.organization_ids[h.hop],
                            'date_from', f.date_froms[h.hop], 'date_to', f.date_tos[h.hop]
                        )
                        ORDER BY h.hop
                    ), '[]')
                    FROM generate_series(1, f.depth - 1) AS h (hop)
                )
            )
            ORDER BY f.ordinality
        ) FILTER (WHERE f.ordinality <= q.paths) AS paths
    FROM soak.plain_finder(
        q.target, q.collection, q.viewer, q.depth, q.paths + 1, q.scope, q.cap, q.order_by, q.min_strength,
        q.ended_after, q.via, q.not_via, q.openers, q.per_introducer, true
    ) WITH ORDINALITY AS f
) AS list
CROSS JOIN LATERAL (
    SELECT d.document, (
        SELECT jsonb_agg(
            p.path - 'tier' || jsonb_build_object('hops', (
                SELECT COALESCE(
                    jsonb_agg(
                        h.hop - '{kind,strength,tier,overlap_days,people,shared_organizations}'::text[] ORDER BY h.place
                    ), '[]'
                )
                FROM jsonb_array_elements(p.path -> 'hops') WITH ORDINALITY AS h (hop, place)
            ))
            ORDER BY p.place
        )
        FROM jsonb_array_elements(d.document -> 'paths') WITH ORDINALITY AS p (path, place)
    ) AS paths
    FROM (
        SELECT connection_paths.find_paths(
            q.target, q.collection, q.viewer, q.depth, q.paths, q.scope, time_budget_ms => 3600000,
            max_edges_per_hop => q.cap, order_by => q.order_by, min_strength => q.min_strength,
            ended_after => q.ended_after, via_organization_ids => q.via, not_via_organization_ids => q.not_via,
            opener_user_ids => q.openers, max_per_introducer => q.per_introducer
        )
        OFFSET 0  -- a fence, so that each document is made once
    ) AS d (document)
) AS answer
