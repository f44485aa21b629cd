-- Returns the partitions of the application's tables at the latest installation; NULL when they are not known.
SELECT i.partitions
FROM connection_paths.installation AS i
