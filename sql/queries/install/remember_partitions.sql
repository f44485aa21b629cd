-- Stores the partitions of the application's tables. Writes nothing if they have not changed.
--
-- Parameter: partitions, as SQL writes their names.
UPDATE connection_paths.installation
SET partitions = %(partitions)s::text[]
WHERE installation.partitions IS DISTINCT FROM %(partitions)s::text[]
