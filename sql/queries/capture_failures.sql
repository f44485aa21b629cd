-- The tables whose changes a trigger could not note: since when, the error of the first failure, and whether the
-- triggers work again, so that a sync catches up.
SELECT
    f.table_name,
    min(f.failed_at) AS failed_at,
    (array_agg(f.error ORDER BY f.failed_at))[1] AS error,
    bool_and(f.closed_by IS NOT NULL OR connection_paths.capture_works(f.table_oid)) AS works_again
FROM connection_paths.capture_failures AS f
GROUP BY f.table_name
ORDER BY f.table_name
