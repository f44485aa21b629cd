-- connection_paths.refresh_one_by_one(contact_ids, contacts_changed_at, contacts_failures, written_by, blame_any_error)
--
-- Refreshes contacts one at a time, and puts each contact whose refresh fails back into the queue with its error.
--
-- Parameters
--     contact_ids          The contacts. Required.
--     contacts_changed_at  The time of the change of each contact, in the same order.
--     contacts_failures    How often each contact has failed so far, in the same order.
--     written_by           The transaction for the rows that are put back. Required.
--     blame_any_error      true: a deadlock, a lock timeout, a serialization failure or a cancellation also counts as
--                          an error of the contact. false: such an error is raised. Required.
-- Returns
--     contacts       The number of contacts that were refreshed.
--     edges_changed  The number of rows of contact_connections that were inserted, updated or deleted.
--     failed         The number of contacts that were put back.
-- Errors
--     40P01, 55P03, 40001, 57014  A deadlock, a lock timeout, a serialization failure or a cancellation, unless
--                                 blame_any_error is true.
-- Reads
--     none
-- Writes
--     contact_changes
-- Used by
--     sync_changes
-- Why
--     After a contact has failed, the function refreshes no contacts at all. An error of that call, for example a
--     missing right, does not depend on the contact, so it is raised.
--
--     Each contact costs a subtransaction, so sync_changes uses this function only after a common refresh has failed.
--     Deferred constraints are checked after each contact, because an error at COMMIT would not name the contact. They
--     stay immediate until the transaction ends.
CREATE OR REPLACE FUNCTION connection_paths.refresh_one_by_one(
    contact_ids bigint[],
    contacts_changed_at timestamptz[],
    contacts_failures smallint[],
    written_by xid8,
    blame_any_error boolean
)
RETURNS TABLE (contacts bigint, edges_changed bigint, failed bigint)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    contact record;
BEGIN
    contacts := 0;
    edges_changed := 0;
    failed := 0;
    SET CONSTRAINTS ALL IMMEDIATE;
    FOR contact IN
        SELECT c.id, c.changed_at, c.failures
        FROM unnest(
            refresh_one_by_one.contact_ids,
            refresh_one_by_one.contacts_changed_at,
            refresh_one_by_one.contacts_failures
        ) AS c (id, changed_at, failures)
    LOOP
        BEGIN
            edges_changed := edges_changed + connection_paths.backfill_contact(contact.id);
            contacts := contacts + 1;
        EXCEPTION
            WHEN OTHERS OR assert_failure OR query_canceled THEN
                -- deadlock, lock timeout, serialization failure, cancellation
                IF SQLSTATE IN ('40P01', '55P03', '40001', '57014') AND NOT refresh_one_by_one.blame_any_error THEN
                    RAISE;
                END IF;
                -- raises when a refresh fails for every contact: then this contact is not the cause
                PERFORM connection_paths.write_edges('{}');
                failed := failed + 1;
                INSERT INTO connection_paths.contact_changes
                    (contact_id, written_by, changed_at, failures, has_failed, error)
                VALUES (
                    contact.id,
                    refresh_one_by_one.written_by,
                    contact.changed_at,
                    contact.failures + 1,
                    contact.failures + 1 >= 3,
                    SQLERRM
                );
        END;
    END LOOP;
    RETURN NEXT;
END
$function$;

COMMENT ON FUNCTION connection_paths.refresh_one_by_one(bigint[], timestamptz[], smallint[], xid8, boolean) IS 'Refreshes contacts one at a time and puts those that fail back into the queue; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.refresh_one_by_one(bigint[], timestamptz[], smallint[], xid8, boolean) FROM PUBLIC;
