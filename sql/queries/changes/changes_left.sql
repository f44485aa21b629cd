-- Whether a change waits that was made, or became due, until some time.
--
-- Contacts that have failed three times do not count. A capture failure counts when it is closed or its triggers work.
-- Parameter: until; NULL: at any time.
SELECT EXISTS (
    SELECT
    FROM connection_paths.contact_changes AS q
    WHERE q.failures < 3 AND (%(until)s::timestamptz IS NULL OR q.changed_at <= %(until)s)
) OR EXISTS (
    SELECT
    FROM connection_paths.capture_failures AS f
    WHERE (%(until)s::timestamptz IS NULL OR f.failed_at <= %(until)s)
        AND (f.closed_by IS NOT NULL OR connection_paths.capture_works(f.table_oid))
)
OR EXISTS (
    SELECT
    FROM connection_paths.due_changes AS d
    WHERE d.due_on <= CURRENT_DATE AND (%(until)s::timestamptz IS NULL OR d.due_on <= %(until)s)
)
