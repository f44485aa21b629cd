-- Each worker of Citus: whether it answers, and the transactions of Citus that stayed prepared there.
-- Parameter: seconds, how long a transaction may stay prepared.
SELECT
    r.nodename,
    r.nodeport,
    r.success,
    CASE WHEN NOT r.success THEN r.result END AS error,
    CASE WHEN r.success THEN split_part(r.result, ' ', 1)::integer END AS max_prepared,
    CASE WHEN r.success THEN split_part(r.result, ' ', 2)::integer END AS number_left,
    CASE WHEN r.success THEN split_part(r.result, ' ', 3)::double precision END AS oldest
FROM run_command_on_workers(
    'SELECT concat_ws('' '', current_setting(''max_prepared_transactions''), count(*),'
    ' COALESCE(extract(epoch FROM now() - min(p.prepared)), 0)) FROM pg_catalog.pg_prepared_xacts AS p'
    ' WHERE starts_with(p.gid, ''citus_'') AND p.database = current_database()'
    ' AND p.prepared < now() - ' || %(seconds)s::integer || ' * interval ''1 second'''
) AS r
ORDER BY r.nodename, r.nodeport
