-- As many workers for each index as the server has in all; nothing else is known of the table yet that would ask for less.
WITH most (workers) AS (
    SELECT LEAST(
        current_setting('max_parallel_workers')::integer,
        current_setting('max_worker_processes')::integer
    )
)
SELECT set_config('max_parallel_maintenance_workers', m.workers::text, false) FROM most AS m
