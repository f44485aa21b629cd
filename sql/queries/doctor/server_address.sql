-- Returns the host and the port on which the server itself listens. A session behind a pooler can use it.
SELECT
    COALESCE(
        host(inet_server_addr()),
        -- a role without the right to see this setting gets no row from pg_settings
        (
            SELECT trim(split_part(s.setting, ',', 1))
            FROM pg_catalog.pg_settings AS s
            WHERE s.name = 'unix_socket_directories'
        ),
        'localhost'
    ) AS host,
    current_setting('port') AS port
