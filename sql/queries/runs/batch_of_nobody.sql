-- What a batch does, for no contact at all. Parameter: run_id. To be rolled back.
--
-- When this fails, no batch would fare better: a right is missing, a table or a function, or the server takes no
-- writes.
SELECT
    CASE r.strategy
        WHEN 'rebuild' THEN connection_paths.rebuild_range(0, 0)
        ELSE connection_paths.refresh_range(0, 0)
    END
FROM connection_paths.backfill_runs AS r
WHERE r.run_id = %(run_id)s
