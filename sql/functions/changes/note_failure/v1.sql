-- connection_paths.note_failure(table_oid, error): records that a trigger could not note a change of a table.
--
-- table_oid  the table that was written
-- error      what the trigger met
--
-- About one row a table, however many statements fail: a writer that sees a row of its table adds none. It never
-- updates one, so writers do not wait for each other. Once recover_capture has closed a row, the next failure adds
-- another.
--
-- A REPEATABLE READ transaction may see a row that was closed long ago as open, so it adds one of its own. A
-- SERIALIZABLE one does not look at all: if it read what others add, one of them could fail to commit.
CREATE OR REPLACE FUNCTION connection_paths.note_failure(table_oid oid, error text)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF pg_current_xact_id_if_assigned() IS NULL THEN
        RETURN; -- the statement has written nothing
    END IF;
    IF current_setting('transaction_isolation') <> 'serializable' AND EXISTS (
        SELECT
        FROM connection_paths.capture_failures AS f
        WHERE f.table_oid = note_failure.table_oid
            AND f.closed_by IS NULL
            AND (
                f.written_by = pg_current_xact_id()
                OR current_setting('transaction_isolation') <> 'repeatable read'
            )
    ) THEN
        RETURN;
    END IF;
    INSERT INTO connection_paths.capture_failures (table_oid, table_name, error)
    SELECT note_failure.table_oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname), note_failure.error
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = note_failure.table_oid;
END
$function$;

COMMENT ON FUNCTION connection_paths.note_failure(oid, text) IS 'Records that a trigger could not note a change; part of the triggers';

REVOKE ALL ON FUNCTION connection_paths.note_failure(oid, text) FROM PUBLIC;
