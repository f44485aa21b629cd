-- Whether there is an edge of the kind work_overlap. Without LIMIT, Citus would copy every edge to the coordinator.
SELECT EXISTS (SELECT 1 FROM connection_paths.contact_connections AS c WHERE c.kind = 'work_overlap' LIMIT 1)
