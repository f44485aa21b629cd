-- Other indexes of these tables that are not valid: writers keep them, no reader uses them. A CREATE INDEX CONCURRENTLY
-- or REINDEX CONCURRENTLY that failed leaves one; one that is under way holds its table's lock, and is not shown.
-- Parameters: tables (oids), names (of the package's own, which are looked at elsewhere).
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
