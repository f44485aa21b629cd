-- Returns whether two indexes have the same definition, apart from their names and their tables.
--
-- Parameters: one; other.
SELECT count(DISTINCT regexp_replace(d.definition, '^.*? USING ', '')) = 1
FROM unnest(ARRAY[pg_get_indexdef(to_regclass(%(one)s)), pg_get_indexdef(to_regclass(%(other)s))]) AS d (definition)
