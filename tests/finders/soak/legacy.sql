-- Compares deep_finder at depth 2 with legacy_finder. Only where all edges come from work experiences.
--
-- A row per call: its number, how many paths it has, and whether all rows are the same.
SELECT q.number, COALESCE(cardinality(found.rows), 0), found.rows IS NOT DISTINCT FROM expected.rows
FROM jsonb_to_recordset(%s) AS q (
    number integer, target bigint, collection bigint, viewer bigint, depth integer, paths integer, scope text,
    cap integer
)
CROSS JOIN LATERAL (
    SELECT array_agg(f::text ORDER BY f.ordinality) AS rows
    FROM connection_paths.deep_finder(q.target, q.collection, q.viewer, 2, q.paths, q.scope, q.cap)
        WITH ORDINALITY AS f
) AS found
CROSS JOIN LATERAL (
    SELECT array_agg(f::text ORDER BY f.ordinality) AS rows
    FROM connection_paths.legacy_finder(q.target, q.collection, q.viewer, q.paths, q.scope) WITH ORDINALITY AS f
) AS expected
