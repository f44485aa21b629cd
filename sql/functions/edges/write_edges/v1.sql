-- connection_paths.write_edges(contact_ids, smaller_ends_only)
--
-- Makes the work_overlap edges of some contacts equal to what wanted_edges returns.
--
-- Parameters
--     contact_ids        The contacts. NULL elements and repeated elements are ignored. A contact that no longer exists
--                        loses its edges.
--     smaller_ends_only  true: only the edges whose smaller contact id is in contact_ids. false: every edge that
--                        touches one of the contacts. NULL means false.
-- Returns
--     The number of rows of contact_connections that were inserted, updated or deleted.
-- Errors
--     25001  The transaction is not READ COMMITTED.
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     backfill_runs
-- Writes
--     rebuild_replays
-- Used by
--     backfill_contact, refresh_range, sync_changes, refresh_one_by_one
-- Why
--     This function is the only one that writes work_overlap edges to the live table. It never writes edges of another
--     kind. write_differences compares the wanted edges with the present ones and writes only the differences, so a
--     contact whose edges are right costs no WAL, and its rows keep their computed_at.
--
--     Another session may insert an edge that write_differences is about to insert. Then the changes of the first call
--     of write_differences are rolled back, and the second call compares again.
--
--     Rebuild: a batch of a rebuild may have computed a contact before the change that this call handles. So the
--     contacts are also queued for the time after the exchange of the tables.
CREATE OR REPLACE FUNCTION connection_paths.write_edges(contact_ids bigint[], smaller_ends_only boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    changed bigint;
BEGIN
    PERFORM connection_paths.count_organizations(write_edges.contact_ids, only_new => true);
    PERFORM connection_paths.begin_refresh();

    BEGIN
        changed := connection_paths.write_differences(
            write_edges.contact_ids, write_edges.smaller_ends_only, is_first_try => true
        );
    EXCEPTION
        WHEN unique_violation THEN
            changed := connection_paths.write_differences(
                write_edges.contact_ids, write_edges.smaller_ends_only, is_first_try => false
            );
    END;

    PERFORM connection_paths.schedule_refreshes(write_edges.contact_ids);
    INSERT INTO connection_paths.rebuild_replays (contact_id)
    SELECT c.id
    FROM unnest(write_edges.contact_ids) AS c (id)
    WHERE c.id IS NOT NULL
        AND EXISTS (SELECT FROM connection_paths.backfill_runs AS r WHERE r.is_active AND r.strategy = 'rebuild');

    RETURN changed;
END
$function$;

COMMENT ON FUNCTION connection_paths.write_edges(bigint[], boolean) IS 'Makes the work_overlap edges of some contacts what wanted_edges returns; the only writer of live edges; returns how many rows changed';

REVOKE ALL ON FUNCTION connection_paths.write_edges(bigint[], boolean) FROM PUBLIC;
