-- The organizations whose people should have been counted again a day ago or earlier: how many, and the age of the
-- oldest count in seconds.
SELECT
    count(*) AS organizations,
    extract(epoch FROM now() - min(s.counted_at))::double precision AS oldest
FROM connection_paths.organization_sizes AS s
WHERE s.counted_at <= now() - 2 * connection_paths.count_is_good_for()
