-- connection_paths.backfill_contact(contact_id)
--
-- Refreshes the work_overlap edges of one contact.
--
-- Parameters
--     contact_id  The contact. A contact that no longer exists loses its edges. Required.
-- Returns
--     The number of rows of contact_connections that were inserted, updated or deleted.
-- Errors
--     22004  contact_id is NULL.
--     25001  The transaction is not READ COMMITTED.
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     refresh_one_by_one, applications
-- Why
--     write_edges does the work. Calls for different contacts may run at the same time.
CREATE OR REPLACE FUNCTION connection_paths.backfill_contact(contact_id bigint)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF contact_id IS NULL THEN
        RAISE EXCEPTION 'contact_id must not be null'
            USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the id of a contact.';
    END IF;
    RETURN connection_paths.write_edges(ARRAY[backfill_contact.contact_id]);
END
$function$;

COMMENT ON FUNCTION connection_paths.backfill_contact(bigint) IS 'Refreshes one contact''s work_overlap edges; returns how many rows changed';

REVOKE ALL ON FUNCTION connection_paths.backfill_contact(bigint) FROM PUBLIC;
