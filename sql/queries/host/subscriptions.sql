-- Returns the subscriptions that write to the application's tables: state, lag and errors, one row each, by name.
--
-- On a standby of the subscriber no worker runs, so there the columns about workers say nothing.
--
-- Parameters: host_schema, sources; see orchestrator/host/sources.py: asked.
-- Columns
--     name        The subscription.
--     is_enabled  Whether it is enabled.
--     is_running  Whether its apply worker runs now. After an error it ends, and starts again five seconds later.
--     silent      Seconds since the publisher was last heard. A publisher without changes is heard twice a minute. NULL
--                 when the worker has heard nothing yet.
--     copying     Tables whose initial copy is not complete.
--     errors      Errors of applying and copying since the statistics were last reset.
--     oid         For pg_stat_reset_subscription_stats.
SELECT
    s.subname::text AS name,
    s.subenabled AS is_enabled,
    COALESCE(w.is_running, false) AS is_running,
    extract(epoch FROM clock_timestamp() - w.heard_at)::float8 AS silent,
    t.copying,
    COALESCE(e.apply_error_count + e.sync_error_count, 0) AS errors,
    s.oid
FROM pg_catalog.pg_subscription AS s
CROSS JOIN LATERAL (
    SELECT
        array_remove(array_agg(CASE WHEN r.srsubstate <> 'r' THEN r.srrelid::regclass::text END ORDER BY r.srrelid), NULL)
            AS copying,
        bool_or(
            EXISTS (
                SELECT
                FROM jsonb_to_recordset(%(sources)s::jsonb) AS o ("schema" text, "table" text)
                WHERE o."table" = c.relname AND COALESCE(o."schema", %(host_schema)s) = n.nspname
            )
        ) AS is_ours
    FROM pg_catalog.pg_subscription_rel AS r
    JOIN pg_catalog.pg_class AS c ON c.oid = r.srrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE r.srsubid = s.oid
) AS t
LEFT JOIN LATERAL (
    SELECT
        bool_or(a.pid IS NOT NULL) AS is_running,
        max(GREATEST(a.last_msg_receipt_time, a.latest_end_time)) AS heard_at
    FROM pg_catalog.pg_stat_subscription AS a
    WHERE a.subid = s.oid AND a.relid IS NULL
) AS w ON true
LEFT JOIN pg_catalog.pg_stat_subscription_stats AS e ON e.subid = s.oid
WHERE s.subdbid = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
    AND t.is_ours
ORDER BY 1
