-- Take a table and its indexes out of the server's cache (PostgreSQL 18, extension pg_buffercache). Parameter: table.
SELECT pg_buffercache_evict_relation(r.oid::regclass)
FROM pg_class AS r
WHERE r.oid = %(table)s::regclass
    OR r.oid IN (SELECT i.indexrelid FROM pg_index AS i WHERE i.indrelid = %(table)s::regclass)
