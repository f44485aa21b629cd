-- Counts the overlapping pairs of all work experiences.
SELECT COALESCE(sum(l.overlaps) / 2, 0)::bigint
FROM connection_paths.overlaps_by_contact() AS l
