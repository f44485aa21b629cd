-- connection_paths.missing_rebuild_indexes(run_id): the statements that give a rebuild the indexes it lacks.
--
-- Read from contact_connections itself, so that an index of the application's own comes along, and nothing is defined
-- twice. Execute them one by one, each may take minutes (in psql: \gexec). No row: nothing is missing, or there is no
-- contact_connections_next.
--
-- name       of the index to be; the run's id makes it unlike that of the live edges'
-- statement  CREATE INDEX, or ALTER TABLE for the primary key and what an earlier death has left undone
CREATE OR REPLACE FUNCTION connection_paths.missing_rebuild_indexes(run_id bigint)
RETURNS TABLE (name text, statement text)
LANGUAGE sql
STABLE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 3
AS $function$
    SELECT
        n.name,
        CASE
            WHEN made.oid IS NULL THEN
                'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX '
                || pg_catalog.quote_ident(n.name) || ' ON connection_paths.contact_connections_next'
                || pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(i.indexrelid), '^.*? USING ', ' USING ')
            ELSE
                'ALTER TABLE connection_paths.contact_connections_next ADD PRIMARY KEY USING INDEX '
                || pg_catalog.quote_ident(n.name)
        END
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    CROSS JOIN LATERAL (
        SELECT pg_catalog."left"(c.relname::text, 40) || '_r' || missing_rebuild_indexes.run_id::text
    ) AS n (name)
    LEFT JOIN (
        SELECT m.oid, m.relname::text AS relname, k.indisprimary
        FROM pg_catalog.pg_index AS k
        JOIN pg_catalog.pg_class AS m ON m.oid = k.indexrelid
        WHERE k.indrelid = pg_catalog.to_regclass('connection_paths.contact_connections_next')
    ) AS made ON made.relname = n.name
    WHERE i.indrelid = 'connection_paths.contact_connections'::pg_catalog.regclass
        AND pg_catalog.to_regclass('connection_paths.contact_connections_next') IS NOT NULL
        AND (made.oid IS NULL OR i.indisprimary AND NOT made.indisprimary)
    ORDER BY i.indisprimary DESC, n.name
$function$;

COMMENT ON FUNCTION connection_paths.missing_rebuild_indexes(bigint) IS 'The statements that build what indexes contact_connections_next still lacks';

REVOKE ALL ON FUNCTION connection_paths.missing_rebuild_indexes(bigint) FROM PUBLIC;
