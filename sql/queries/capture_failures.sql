-- The tables of which a trigger could not read what was written: since when, the error of the first failure, and
-- whether the capture works again, so that sync only waits for transactions that may have failed before.
SELECT f.source, min(f.failed_at), (array_agg(f.error ORDER BY f.failed_at))[1] AS error, bool_and(f.closed_by IS NOT NULL)
FROM connection_paths.capture_failures AS f
GROUP BY f.source
ORDER BY f.source
