-- Creates shard_edges on all workers, and later on each worker that is added.
-- Parameters: schema, that of the installation.
SELECT create_distributed_function(p.oid::regprocedure)
FROM pg_catalog.pg_proc AS p
WHERE p.pronamespace = %(schema)s::regnamespace AND p.proname = 'shard_edges'
