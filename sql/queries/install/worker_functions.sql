-- Each worker of Citus: whether its function shard_edges is the same as that of this server. NULL: it does not answer.
SELECT
    r.nodename,
    r.nodeport,
    CASE WHEN r.success THEN r.result = md5(p.prosrc) END AS is_same
FROM run_command_on_workers(
    'SELECT COALESCE((SELECT md5(p.prosrc) FROM pg_catalog.pg_proc AS p'
    ' WHERE p.pronamespace = to_regnamespace(''connection_paths'') AND p.proname = ''shard_edges''), ''missing'')'
) AS r
CROSS JOIN pg_catalog.pg_proc AS p
WHERE p.pronamespace = 'connection_paths'::regnamespace AND p.proname = 'shard_edges'
ORDER BY r.nodename, r.nodeport
