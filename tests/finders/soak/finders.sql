-- Compares deep_finder with the plain recursion.
--
-- A row per call: its number, how many paths it has, and whether all rows are the same.
SELECT q.number, COALESCE(cardinality(found.rows), 0), found.rows IS NOT DISTINCT FROM expected.rows
FROM jsonb_to_recordset(%s) AS q (
    number integer, target bigint, collection bigint, viewer bigint, depth integer, paths integer, scope text,
    cap integer, order_by text, min_strength integer, ended_after date, via bigint[], not_via bigint[],
    openers bigint[], per_introducer integer
)
CROSS JOIN LATERAL (
    SELECT array_agg(f::text ORDER BY f.ordinality) AS rows
    FROM connection_paths.deep_finder(
        q.target, q.collection, q.viewer, q.depth, q.paths, q.scope, q.cap, q.order_by,
        CASE WHEN q.min_strength IS NOT NULL THEN enum_range(NULL::connection_paths.connection_kind)::text[] END,
        q.min_strength, q.ended_after, q.via, q.not_via, q.openers, q.per_introducer
    ) WITH ORDINALITY AS f
) AS found
CROSS JOIN LATERAL (
    SELECT array_agg(e::text ORDER BY e.ordinality) AS rows
    FROM (
        SELECT
            f.depth, f.user_ids[1], f.contact_ids, f.organization_ids, f.date_froms, f.date_tos, f.recency, f.strength,
            f.ordinality
        FROM soak.plain_finder(
            q.target, q.collection, q.viewer, q.depth, q.paths, q.scope, q.cap, q.order_by, q.min_strength,
            q.ended_after, q.via, q.not_via, q.openers, q.per_introducer, false
        ) WITH ORDINALITY AS f
    ) AS e
) AS expected
