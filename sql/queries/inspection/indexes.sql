-- Returns the indexes that the package expects, and their state in the database; NULLs for a missing one.
--
-- Parameters: names; tables (oids, one for each name).
--
-- method, keys, included, rule   The definition, as the server writes it. The order of a column is added unless it is
--                                ascending.
-- is_there                       The index is on the expected table.
-- is_marked                      Its comment shows that the package created it.
-- is_held                        Another session holds the lock of building, vacuuming or analysing the table.
SELECT
    expected.name,
    i.indrelid = t.oid AS is_there,
    COALESCE(starts_with(obj_description(i.indexrelid, 'pg_class'), 'connection_paths: '::text), false) AS is_marked,
    i.indisvalid AND i.indisready AS is_valid,
    m.amname AS method,
    (
        SELECT string_agg(
            pg_get_indexdef(i.indexrelid, k.number, false)
            || CASE WHEN i.indoption[k.number - 1] & 1 > 0 THEN ' DESC' ELSE '' END
            || CASE i.indoption[k.number - 1] WHEN 1 THEN ' NULLS LAST' WHEN 0 THEN '' ELSE ' NULLS FIRST' END,
            ', ' ORDER BY k.number
        )
        FROM generate_series(1, i.indnkeyatts::integer) AS k (number)
    ) AS keys,
    (
        SELECT string_agg(pg_get_indexdef(i.indexrelid, k.number, false), ', ' ORDER BY k.number)
        FROM generate_series(i.indnkeyatts + 1, i.indnatts::integer) AS k (number)
    ) AS included,
    pg_get_expr(i.indpred, i.indrelid) AS rule,
    EXISTS (
        SELECT
        FROM pg_catalog.pg_locks AS l
        WHERE l.locktype = 'relation'
            AND l.relation = i.indrelid
            AND l.mode = 'ShareUpdateExclusiveLock'
            AND l.granted
            AND l.pid <> pg_backend_pid()
    ) AS is_held
FROM unnest(%(names)s::text[], %(tables)s::oid[]) AS expected (name, table_oid)
JOIN pg_catalog.pg_class AS t ON t.oid = expected.table_oid
LEFT JOIN pg_catalog.pg_class AS c
    ON c.relnamespace = t.relnamespace AND c.relname = expected.name AND c.relkind IN ('i', 'I')
LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
LEFT JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
ORDER BY expected.name
