-- Returns settings as a new session of this role gets them: the value in its base unit, the value with the unit, and
-- the source of each.
--
-- Parameters: names.
SELECT s.name, s.reset_val, concat_ws(' ', s.reset_val, s.unit) AS shown, s.source
FROM pg_catalog.pg_settings AS s
WHERE s.name = ANY (%(names)s::text[])
ORDER BY s.name
