-- Returns indexes that are not valid: every write updates them, and no query uses them. A CREATE INDEX CONCURRENTLY or
-- REINDEX CONCURRENTLY that failed leaves such an index. One that is running holds the lock of the table; its index is
-- not returned.
--
-- Parameters: tables (oids); names (of the package's indexes, which indexes.sql returns).
SELECT format('%%I.%%I', n.nspname, c.relname) AS name, pg_relation_size(c.oid) AS bytes
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE i.indrelid = ANY (%(tables)s::oid[])
    AND c.relkind = 'i'
    AND NOT (i.indisvalid AND i.indisready)
    AND c.relname <> ALL (%(names)s::text[])
    AND NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_locks AS l
        WHERE l.locktype = 'relation'
            AND l.relation = i.indrelid
            AND l.mode = 'ShareUpdateExclusiveLock'
            AND l.granted
            AND l.pid <> pg_backend_pid()
    )
ORDER BY 1
