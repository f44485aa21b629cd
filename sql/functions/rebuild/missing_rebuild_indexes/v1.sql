-- connection_paths.missing_rebuild_indexes(run_id): the statements that give a rebuild the indexes it lacks.
--
-- Read from contact_connections itself, so that an index of the application's own comes along, and nothing is defined
-- twice. Execute them one by one, each may take minutes (in psql: \gexec). No row: nothing is missing, or there is no
-- contact_connections_next.
--
-- name       of the index to be; the run's id makes it unlike that of the live edges'
-- statement  CREATE INDEX; or ALTER TABLE, for an index that is there and is to carry a constraint, such as the primary
--            key: ask again when the indexes are built
--
-- Each index is built in the tablespace of the index on the live edges that it takes the place of. pg_get_indexdef
-- shows no tablespace, and it is to stand before the predicate; so the text is taken apart by the lengths of what is
-- known to stand at its ends, for a name may hold any word.
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
                || ' TABLESPACE ' || pg_catalog.quote_ident(t.spcname) || d.predicate
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
        -- a name has 63 bytes
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
    -- The longest first, for they are built side by side: rows come by contact_a_id, any other order is more to sort.
    ORDER BY
        i.indkey[0] = (
            SELECT a.attnum
            FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = i.indrelid AND a.attname = 'contact_a_id'
        ),
        i.indisprimary DESC,
        n.name;
END;

COMMENT ON FUNCTION connection_paths.missing_rebuild_indexes(bigint) IS 'The statements that build what indexes contact_connections_next still lacks';

REVOKE ALL ON FUNCTION connection_paths.missing_rebuild_indexes(bigint) FROM PUBLIC;
