-- Returns indexes that have many more pages than their entries need.
--
-- The needed size is an estimate from the catalog: the number of entries times the width of the columns, in pages that
-- are nine tenths full. It is high rather than low: every column counts as 8 bytes at least, every entry counts as one
-- with NULLs, and equal entries, which PostgreSQL may store once, count separately. Indexes with a column of variable
-- width are left out.
--
-- Parameters: tables (oids); names (of the package's indexes; for the edge table, every index counts); least_bytes;
-- least_factor.
SELECT s.oid, s.name, s.bytes, s.needed
FROM (
    SELECT
        c.oid,
        format('%%I.%%I', n.nspname, c.relname) AS name,
        c.relpages * b.page AS bytes,
        GREATEST(c.reltuples, 0) * (20 + w.width) / 0.9 + b.page AS needed
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_class AS t ON t.oid = i.indrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_am AS m ON m.oid = c.relam
    CROSS JOIN (SELECT current_setting('block_size')::bigint AS page) AS b
    CROSS JOIN LATERAL (
        SELECT sum(GREATEST(8, a.attlen)) AS width, bool_and(a.attlen > 0) AS is_fixed
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid
    ) AS w
    WHERE i.indrelid = ANY (%(tables)s::oid[])
        AND (c.relname = ANY (%(names)s::text[]) OR n.nspname = 'connection_paths')
        AND m.amname = 'btree'
        AND c.relkind = 'i'
        AND i.indisvalid
        AND w.is_fixed
) AS s
WHERE s.bytes > %(least_bytes)s AND s.bytes > %(least_factor)s * s.needed
ORDER BY s.name
