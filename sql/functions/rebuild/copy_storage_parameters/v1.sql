-- connection_paths.copy_storage_parameters()
--
-- Gives contact_connections_next the storage parameters of contact_connections_live.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     contact_connections_live
-- Writes
--     contact_connections_next
-- Used by
--     exchange_rebuild, prepare_rebuild
-- Why
--     A DBA may have set parameters of the table, such as fillfactor or autovacuum_vacuum_scale_factor, and of its
--     columns, such as a statistics target or n_distinct. CREATE TABLE LIKE does not copy them. ALTER TABLE takes them
--     only as literals, so the function builds SQL from names and values of the catalog.
CREATE OR REPLACE FUNCTION connection_paths.copy_storage_parameters()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    change text;
BEGIN
    FOR change IN
        SELECT
            CASE c.oid
                WHEN 'connection_paths.contact_connections_next'::regclass
                THEN 'RESET (' || pg_catalog.quote_ident(o.option_name) || ')'
                ELSE 'SET (' || pg_catalog.quote_ident(o.option_name) || ' = ' || quote_literal(o.option_value) || ')'
            END
        FROM pg_catalog.pg_class AS c
        CROSS JOIN LATERAL pg_catalog.pg_options_to_table(c.reloptions) AS o
        WHERE c.oid IN (
            'connection_paths.contact_connections_next'::regclass, 'connection_paths.contact_connections_live'::regclass
        )
        ORDER BY c.oid = 'connection_paths.contact_connections_live'::regclass
    LOOP
        EXECUTE 'ALTER TABLE connection_paths.contact_connections_next ' || change;
    END LOOP;

    FOR change IN
        SELECT
            'ALTER COLUMN ' || pg_catalog.quote_ident(a.attname) || ' ' || o.change
        FROM pg_catalog.pg_attribute AS a
        CROSS JOIN LATERAL (
            SELECT 'SET STATISTICS ' || a.attstattarget::text WHERE a.attstattarget >= 0
            UNION ALL
            SELECT 'SET (' || pg_catalog.quote_ident(p.option_name) || ' = ' || quote_literal(p.option_value) || ')'
            FROM pg_catalog.pg_options_to_table(a.attoptions) AS p
            WHERE p.option_name LIKE 'n\_distinct%' -- the others are the server's own, such as pg_attver of 15.20
        ) AS o (change)
        WHERE a.attrelid = 'connection_paths.contact_connections_live'::regclass AND a.attnum > 0 AND NOT a.attisdropped
    LOOP
        EXECUTE 'ALTER TABLE connection_paths.contact_connections_next ' || change;
    END LOOP;
END
$function$;

COMMENT ON FUNCTION connection_paths.copy_storage_parameters() IS 'Gives contact_connections_next the storage parameters of contact_connections_live';

REVOKE ALL ON FUNCTION connection_paths.copy_storage_parameters() FROM PUBLIC;
