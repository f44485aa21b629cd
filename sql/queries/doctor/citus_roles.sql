-- The roles that may search on this server and log in, and cannot search on a worker of Citus, one row for each worker.
-- A session on the worker belongs to the same role, so the role must exist there and have rights there.
SELECT
    r.nodename,
    r.nodeport,
    ARRAY(SELECT jsonb_array_elements_text(r.result::jsonb)) AS roles
FROM run_command_on_workers(
    format(
        'SELECT COALESCE(jsonb_agg(n.name ORDER BY n.name), ''[]'') FROM pg_catalog.unnest(%L::text[]) AS n (name)'
        ' LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = n.name'
        ' WHERE (pg_catalog.has_schema_privilege(r.oid, ''connection_paths'', ''USAGE'')'
        ' AND pg_catalog.has_table_privilege(r.oid, ''connection_paths.contact_connections'', ''SELECT'')'
        ' AND pg_catalog.has_table_privilege(r.oid, ''connection_paths.edge_shards'', ''SELECT'')) IS NOT TRUE',
        ARRAY(
            SELECT r.rolname::text
            FROM pg_catalog.pg_roles AS r
            CROSS JOIN pg_catalog.pg_proc AS p
            WHERE r.rolcanlogin
                AND p.pronamespace = 'connection_paths'::regnamespace
                AND p.proname = 'stored_edges'
                AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
                AND has_schema_privilege(r.oid, 'connection_paths', 'USAGE')
        )
    )
) AS r
WHERE r.success AND r.result <> '[]'
ORDER BY r.nodename, r.nodeport
