-- Returns the tables whose changes a trigger failed to queue: the time and the error of the first failure, and the oids
-- of the tables for which it is unknown whether their triggers work again (see capture_works). If that list is empty,
-- sync can catch up.
SELECT
    f.table_name,
    min(f.failed_at) AS failed_at,
    (array_agg(f.error ORDER BY f.failed_at))[1] AS error,
    COALESCE(array_agg(DISTINCT f.table_oid) FILTER (WHERE f.closed_by IS NULL), '{}') AS open_tables
FROM connection_paths.capture_failures AS f
GROUP BY f.table_name
ORDER BY f.table_name
