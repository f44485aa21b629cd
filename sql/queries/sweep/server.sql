-- Properties of the server on which latency depends.
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
    -- A fixed list: other settings may hold a password, for example primary_conninfo or one of the application.
    'settings', (
        SELECT jsonb_object_agg(s.name, current_setting(s.name))
        FROM pg_settings AS s
        WHERE s.name IN (
            'auto_explain.log_min_duration',
            'autovacuum',
            'cpu_index_tuple_cost',
            'cpu_operator_cost',
            'cpu_tuple_cost',
            'data_checksums',
            'debug_assertions',
            'default_statistics_target',
            'effective_cache_size',
            'effective_io_concurrency',
            'enable_bitmapscan',
            'enable_hashjoin',
            'enable_indexonlyscan',
            'enable_indexscan',
            'enable_material',
            'enable_memoize',
            'enable_mergejoin',
            'enable_nestloop',
            'enable_seqscan',
            'enable_sort',
            'from_collapse_limit',
            'fsync',
            'hash_mem_multiplier',
            'hot_standby_feedback',
            'huge_pages',
            'io_method',
            'jit',
            'jit_above_cost',
            'join_collapse_limit',
            'log_duration',
            'log_min_duration_statement',
            'log_statement',
            'max_connections',
            'max_parallel_workers',
            'max_parallel_workers_per_gather',
            'min_parallel_index_scan_size',
            'min_parallel_table_scan_size',
            'parallel_setup_cost',
            'parallel_tuple_cost',
            'pg_stat_statements.track',
            'plan_cache_mode',
            'random_page_cost',
            'row_security',
            'seq_page_cost',
            'server_encoding',
            'shared_buffers',
            'shared_preload_libraries',
            'ssl',
            'synchronous_commit',
            'track_activities',
            'track_functions',
            'track_io_timing',
            'vacuum_cost_limit',
            'work_mem'
        )
    )
)
