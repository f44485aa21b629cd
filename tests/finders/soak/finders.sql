-- Compares deep_finder with the plain recursion and, without a cap, with its last generation.
--
-- A row per call: its number, how many paths it has, and whether all rows are the same.
SELECT
    q.number,
    COALESCE(cardinality(found.rows), 0),
    found.rows IS NOT DISTINCT FROM expected.rows
    AND (q.cap IS NOT NULL OR found.rows IS NOT DISTINCT FROM earlier.rows)
FROM jsonb_to_recordset(%s) AS q (
    number integer, target bigint, collection bigint, viewer bigint, depth integer, paths integer, scope text,
    cap integer
)
CROSS JOIN LATERAL (
    SELECT array_agg(f::text ORDER BY f.ordinality) AS rows
    FROM connection_paths.deep_finder(q.target, q.collection, q.viewer, q.depth, q.paths, q.scope, q.cap)
        WITH ORDINALITY AS f
) AS found
CROSS JOIN LATERAL (
    SELECT array_agg(f::text ORDER BY f.ordinality) AS rows
    FROM generations.recursive_finder(q.target, q.collection, q.viewer, q.depth, q.paths, q.scope, q.cap)
        WITH ORDINALITY AS f
) AS expected
CROSS JOIN LATERAL (
    SELECT array_agg(f::text ORDER BY f.ordinality) AS rows
    FROM generations.deep_finder_v3(q.target, q.collection, q.viewer, q.depth, q.paths, q.scope, q.cap)
        WITH ORDINALITY AS f
    WHERE q.cap IS NULL
) AS earlier
