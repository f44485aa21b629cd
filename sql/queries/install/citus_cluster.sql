-- The Citus cluster of this server: whether this is the coordinator, and how many workers take shards.
SELECT
    (SELECT l.groupid = 0 FROM pg_catalog.pg_dist_local_group AS l) AS is_coordinator,
    (
        SELECT count(*)
        FROM pg_catalog.pg_dist_node AS n
        WHERE n.groupid <> 0 AND n.isactive AND n.shouldhaveshards AND n.noderole = 'primary'
    ) AS workers
