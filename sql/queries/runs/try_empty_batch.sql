-- Executes a batch without contacts, to find out whether every batch would fail. The caller rolls it back.
--
-- Parameter: run_id.
-- An error means that every batch would fail: a privilege, a table or a function is missing, or the server does not
-- accept writes.
SELECT
    CASE r.strategy
        WHEN 'rebuild' THEN connection_paths.rebuild_range(0, 0)
        ELSE connection_paths.refresh_range(0, 0)
    END
FROM connection_paths.backfill_runs AS r
WHERE r.run_id = %(run_id)s
