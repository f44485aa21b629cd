-- The server, as far as a latency depends on it.
SELECT jsonb_build_object(
    'version', current_setting('server_version'),
    'standby', pg_is_in_recovery(),
    'database_bytes', pg_database_size(current_database()),
    'other_sessions', (
        SELECT count(*)
        FROM pg_stat_activity AS a
        WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
    ),
    'other_active_sessions', (
        SELECT count(*)
        FROM pg_stat_activity AS a
        WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid() AND a.state <> 'idle'
    ),
    'extensions', (SELECT jsonb_object_agg(e.extname, e.extversion) FROM pg_extension AS e),
    -- what differs from PostgreSQL's own defaults, and what matters even where it does not
    'settings', (
        SELECT jsonb_object_agg(s.name, current_setting(s.name))
        FROM pg_settings AS s
        WHERE s.source NOT IN ('default', 'override', 'client', 'session')
            OR s.name IN (
                'effective_cache_size',
                'jit',
                'max_connections',
                'max_parallel_workers_per_gather',
                'plan_cache_mode',
                'random_page_cost',
                'shared_buffers',
                'track_io_timing',
                'work_mem'
            )
    )
)
