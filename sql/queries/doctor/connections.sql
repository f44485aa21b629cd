-- Returns max_connections, the sessions that ordinary roles may open, and how many of those are free.
SELECT
    m.total,
    m.most,
    m.most - (SELECT sum(d.numbackends) FROM pg_catalog.pg_stat_database AS d)::integer AS free
FROM (
    SELECT
        current_setting('max_connections')::integer AS total,
        current_setting('max_connections')::integer
            - current_setting('superuser_reserved_connections')::integer
            - COALESCE(current_setting('reserved_connections', true)::integer, 0) AS most -- PostgreSQL 16
) AS m
