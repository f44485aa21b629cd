-- connection_paths.record_capture_failure(table_oid, error)
--
-- Records that a trigger could not queue a change of a table.
--
-- Parameters
--     table_oid  The table that was written. Required.
--     error      The error that the trigger caught. Required.
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     capture_failures
-- Writes
--     capture_failures
-- Used by
--     queue_added_or_removed, queue_changed_experiences, queue_replicated_row
-- Why
--     The table gets about one row for each table of the application, however many statements fail: a writer that sees
--     an open row adds none. No writer updates a row, so writers do not wait for each other. After recover_capture has
--     closed a row, the next failure adds another one.
--
--     A REPEATABLE READ transaction may see a row as open that was closed long ago, so it trusts only its own row. A
--     SERIALIZABLE transaction does not read the table: reading the rows of others could make one of them fail to
--     commit.
CREATE OR REPLACE FUNCTION connection_paths.record_capture_failure(table_oid oid, error text)
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF pg_current_xact_id_if_assigned() IS NULL THEN
        RETURN; -- the statement wrote nothing
    END IF;
    IF current_setting('transaction_isolation') <> 'serializable' AND EXISTS (
        SELECT
        FROM connection_paths.capture_failures AS f
        WHERE f.table_oid = record_capture_failure.table_oid
            AND f.closed_by IS NULL
            AND (
                f.written_by = pg_current_xact_id()
                OR current_setting('transaction_isolation') <> 'repeatable read'
            )
    ) THEN
        RETURN;
    END IF;
    INSERT INTO connection_paths.capture_failures (table_oid, table_name, error)
    SELECT
        record_capture_failure.table_oid,
        quote_ident(n.nspname) || '.' || quote_ident(c.relname),
        record_capture_failure.error
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = record_capture_failure.table_oid;
END
$function$;

COMMENT ON FUNCTION connection_paths.record_capture_failure(oid, text) IS 'Records that a trigger could not queue a change; part of the triggers';

REVOKE ALL ON FUNCTION connection_paths.record_capture_failure(oid, text) FROM PUBLIC;
