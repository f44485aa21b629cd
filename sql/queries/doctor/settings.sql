-- Settings as a new session of this role gets them: in their base unit, with it, and where each comes from.
-- Parameter: names.
SELECT s.name, s.reset_val, concat_ws(' ', s.reset_val, s.unit) AS shown, s.source
FROM pg_catalog.pg_settings AS s
WHERE s.name = ANY (%(names)s::text[])
ORDER BY s.name
