-- connection_paths.require_read_committed()
--
-- Raises an error unless the transaction is READ COMMITTED.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     25001  The transaction is REPEATABLE READ or SERIALIZABLE.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     begin_refresh, cancel_run, copy_remaining_edges, do_batch, exchange_rebuild, fail_batch
-- Why
--     At the other levels all statements share one snapshot. A statement may then see data that is older than the
--     locks that were taken before it, and those locks protect nothing.
CREATE OR REPLACE FUNCTION connection_paths.require_read_committed()
RETURNS void
LANGUAGE plpgsql
STABLE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'edges cannot be written in a transaction that is %', current_setting('transaction_isolation')
            USING ERRCODE = 'active_sql_transaction', HINT = 'Use BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.require_read_committed() IS 'Raises unless the transaction is READ COMMITTED';

REVOKE ALL ON FUNCTION connection_paths.require_read_committed() FROM PUBLIC;
