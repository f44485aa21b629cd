-- The part of a session that builds an index while others do: of the processes, and of the memory that the server's
-- settings allow to one build, so that all together have no more. Once a session. Parameters: workers, builders.
--
-- The session is a process itself; max_parallel_maintenance_workers counts those that help it.
SELECT
    set_config('max_parallel_maintenance_workers', (ceil(%(workers)s::numeric / %(builders)s) - 1)::integer::text, false),
    set_config('maintenance_work_mem', GREATEST(s.setting::integer / %(builders)s, s.min_val::integer)::text || 'kB', false)
FROM pg_catalog.pg_settings AS s
WHERE s.name = 'maintenance_work_mem'
