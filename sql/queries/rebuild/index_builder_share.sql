-- Gives a session its share of processes and memory while several sessions build indexes. Each calls it once.
--
-- Together the sessions have as many processes as there are workers, and the memory that the server allows for one
-- build. The session itself is one process; max_parallel_maintenance_workers counts the processes that help it.
-- Parameters: workers, builders.
SELECT
    set_config('max_parallel_maintenance_workers', (ceil(%(workers)s::numeric / %(builders)s) - 1)::integer::text, false),
    set_config('maintenance_work_mem', GREATEST(s.setting::integer / %(builders)s, s.min_val::integer)::text || 'kB', false)
FROM pg_catalog.pg_settings AS s
WHERE s.name = 'maintenance_work_mem'
