-- Indexes that take many more pages than their entries need. Parameters: tables (oids), names (of the package's
-- indexes; of the edges' table every index counts), least_bytes, least_factor.
--
-- An estimate, from the catalog alone: entries as last counted, each of them as wide as its columns, nine tenths of a
-- page full. It errs on the side of silence: every column is taken for eight bytes at least and some NULL for present
-- in every entry, and equal entries, which PostgreSQL may store once, are counted each. Indexes of columns without a
-- fixed width are left out.
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
