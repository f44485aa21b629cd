-- Returns how long replay waits for readers on this standby, as text and in seconds (NULL: without limit), and whether
-- the standby reports its readers to the primary.
SELECT
    current_setting('max_standby_streaming_delay') AS delay,
    CASE WHEN s.setting <> '-1' THEN s.setting::double precision / 1000 END AS delay_seconds,
    current_setting('hot_standby_feedback')::boolean AS feedback
FROM pg_catalog.pg_settings AS s
WHERE s.name = 'max_standby_streaming_delay'
