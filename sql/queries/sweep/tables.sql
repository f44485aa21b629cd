-- The tables that finders read: the edge table's partitions, and the host's tables behind the views.
SELECT p.relid::oid AS relid
FROM pg_partition_tree('connection_paths.contact_connections') AS p
WHERE p.isleaf
UNION
SELECT d.refobjid
FROM pg_rewrite AS r
JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
JOIN pg_class AS t ON d.refclassid = 'pg_class'::regclass AND t.oid = d.refobjid AND t.relkind IN ('r', 'p')
WHERE r.ev_class IN (
    'connection_paths.work_experiences'::regclass,
    'connection_paths.collection_members'::regclass,
    'connection_paths.live_organizations'::regclass,
    'connection_paths.live_contacts'::regclass
)
