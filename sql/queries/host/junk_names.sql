-- Returns those of some names that are junk names. Parameter: names.
SELECT n.name
FROM unnest(%(names)s::text[]) AS n (name)
WHERE connection_paths.is_junk_name(connection_paths.plain_name(n.name))
