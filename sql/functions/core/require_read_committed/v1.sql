-- connection_paths.require_read_committed(): raises 25001 in a transaction whose statements share one snapshot.
--
-- Under such a level, what a statement sees may be older than the locks taken before it, and those would protect
-- nothing.
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
            USING ERRCODE = 'active_sql_transaction', HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.require_read_committed() IS 'Raises unless each statement of the transaction sees what is committed when it begins';

REVOKE ALL ON FUNCTION connection_paths.require_read_committed() FROM PUBLIC;
