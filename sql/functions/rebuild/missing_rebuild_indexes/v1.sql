-- connection_paths.missing_rebuild_indexes(run_id)
--
-- Returns the statements that create the indexes which contact_connections_next still lacks.
--
-- Parameters
--     run_id  The run. Its id is part of the names of the indexes. Required.
-- Returns
--     One row for each missing index; no row when none is missing or contact_connections_next does not exist.
--     name       The name of the index, different from the name of the live index.
--     statement  CREATE INDEX. For an index that exists and has to carry a constraint, such as the primary key: ALTER
--                TABLE. Call the function again when the indexes are built.
-- Errors
--     none
-- Reads
--     contact_connections, contact_connections_live, contact_connections_next
-- Writes
--     none
-- Used by
--     exchange_rebuild, orchestrator/rebuild/rebuild.py, operators
-- Why
--     The indexes are read from contact_connections, so indexes of the application are included, and no index is
--     defined twice. Execute the statements one at a time; each may take minutes (in psql: \gexec).
--
--     Each index gets the tablespace of the live index that it replaces. pg_get_indexdef shows no tablespace, and the
--     tablespace has to stand before the predicate. So the text is cut by the known lengths of its head and its
--     predicate, because a name may contain any word.
CREATE OR REPLACE FUNCTION connection_paths.missing_rebuild_indexes(run_id bigint)
RETURNS TABLE (name text, statement text)
LANGUAGE sql
STABLE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 3
BEGIN ATOMIC
    SELECT
        n.name,
        CASE
            WHEN made.oid IS NULL THEN
                d.create_index || pg_catalog.quote_ident(n.name) || ' ON connection_paths.contact_connections_next'
                || pg_catalog.substr(
                    d.definition,
                    pg_catalog.length(d.head) + 1,
                    pg_catalog.length(d.definition) - pg_catalog.length(d.head) - pg_catalog.length(d.predicate)
                )
                || CASE
                    WHEN pg_catalog.to_regclass('connection_paths.edge_shards') IS NULL -- Citus takes no tablespace
                    THEN ' TABLESPACE ' || pg_catalog.quote_ident(t.spcname)
                    ELSE ''
                END
                || d.predicate
            ELSE
                'ALTER TABLE connection_paths.contact_connections_next ADD '
                || CASE wanted.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END
                || ' USING INDEX ' || pg_catalog.quote_ident(n.name)
        END
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    LEFT JOIN pg_catalog.pg_constraint AS wanted
        ON wanted.conindid = i.indexrelid AND wanted.contype IN ('p', 'u') AND wanted.conrelid = i.indrelid
    CROSS JOIN LATERAL (
        SELECT '_r' || missing_rebuild_indexes.run_id::text AS suffix
    ) AS s
    CROSS JOIN LATERAL (
        SELECT
            k.create_index,
            k.create_index || pg_catalog.quote_ident(c.relname) || ' ON ONLY '
                || pg_catalog.quote_ident('connection_paths') || '.' || pg_catalog.quote_ident('contact_connections')
                AS head,
            pg_catalog.pg_get_indexdef(i.indexrelid, 0, false) AS definition,
            COALESCE(' WHERE ' || pg_catalog.pg_get_expr(i.indpred, i.indrelid, false), '') AS predicate
        FROM (SELECT 'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' AS create_index) AS k
    ) AS d
    LEFT JOIN (
        SELECT h.inhparent, l.reltablespace
        FROM pg_catalog.pg_inherits AS h
        JOIN pg_catalog.pg_index AS x ON x.indexrelid = h.inhrelid
        JOIN pg_catalog.pg_class AS l ON l.oid = h.inhrelid
        WHERE x.indrelid = pg_catalog.to_regclass('connection_paths.contact_connections_live')
    ) AS live ON live.inhparent = i.indexrelid
    JOIN pg_catalog.pg_database AS b ON b.datname = pg_catalog.current_database()
    JOIN pg_catalog.pg_tablespace AS t ON t.oid = COALESCE(NULLIF(live.reltablespace, 0::pg_catalog.oid), b.dattablespace)
    CROSS JOIN LATERAL (
        -- a name has at most 63 bytes
        SELECT
            CASE
                WHEN pg_catalog.octet_length(c.relname::text || s.suffix) <= 63 THEN c.relname::text || s.suffix
                ELSE 'idx_cc_' || c.oid::text || s.suffix
            END
    ) AS n (name)
    LEFT JOIN (
        SELECT m.oid, m.relname::text AS relname, k.contype
        FROM pg_catalog.pg_index AS x
        JOIN pg_catalog.pg_class AS m ON m.oid = x.indexrelid
        LEFT JOIN pg_catalog.pg_constraint AS k ON k.conindid = x.indexrelid AND k.conrelid = x.indrelid
        WHERE x.indrelid = pg_catalog.to_regclass('connection_paths.contact_connections_next')
    ) AS made ON made.relname = n.name
    WHERE i.indrelid = 'connection_paths.contact_connections'::pg_catalog.regclass
        AND pg_catalog.to_regclass('connection_paths.contact_connections_next') IS NOT NULL
        AND (made.oid IS NULL OR wanted.contype IS NOT NULL AND made.contype IS NULL)
    -- The slowest build comes first, because several builds run at the same time. Rows are stored by contact_a_id, so
    -- an index with another first column has more to sort.
    ORDER BY
        i.indkey[0] = (
            SELECT a.attnum
            FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = i.indrelid AND a.attname = 'contact_a_id'
        ),
        i.indisprimary DESC,
        n.name;
END;

COMMENT ON FUNCTION connection_paths.missing_rebuild_indexes(bigint) IS 'The statements that create the indexes which contact_connections_next still lacks';

REVOKE ALL ON FUNCTION connection_paths.missing_rebuild_indexes(bigint) FROM PUBLIC;
