-- Where the server itself listens, as the session behind a pooler sees it: host and port.
SELECT
    COALESCE(
        host(inet_server_addr()),
        -- not a row for who may not know
        (
            SELECT trim(split_part(s.setting, ',', 1))
            FROM pg_catalog.pg_settings AS s
            WHERE s.name = 'unix_socket_directories'
        ),
        'localhost'
    ) AS host,
    current_setting('port') AS port
