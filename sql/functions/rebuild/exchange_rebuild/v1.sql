-- connection_paths.exchange_rebuild(run_id)
--
-- Exchanges the live edges for the table of a rebuild.
--
-- Parameters
--     run_id  The run. Required.
-- Returns
--     true when this call did the exchange. false when the run is not a rebuild in the phase indexing, or is over.
-- Errors
--     25001  The transaction is not READ COMMITTED.
--     CP002  contact_connections_next lacks an index of contact_connections. PostgreSQL would build it under the lock.
-- Reads
--     contact_connections, contact_connections_live
-- Writes
--     contact_connections_next, contact_changes, rebuild_other_kinds, rebuild_replays
-- Used by
--     orchestrator/rebuild/rebuild.py
-- Why
--     This is one short transaction with an exclusive lock. Sessions that read or write edges wait for it, and it waits
--     for them. So callers set lock_timeout and try again.
--
--     contact_connections stays the same table, with its grants, policies, views and functions; only its partition is
--     exchanged. Contacts that were refreshed during the rebuild are queued again, and edges of other kinds that were
--     written during the rebuild are copied. The replaced table is kept as contact_connections_old until drop_rebuild.
--
--     Where the primary has standbys, orchestrator lets searches read contact_connections_next before: see
--     redirect_searches. They read contact_connections again from the end of this transaction.
--
--     When the application has a partition of its own, PostgreSQL reads the whole new table during the exchange.
--
--     A REPEATABLE READ transaction that began before the rebuild ended, and reads edges only after the exchange, sees
--     almost no edges: its snapshot is older than the new rows. A statement that waited for the exchange sees all edges
--     of the package, but not the edges of other kinds that were written during the rebuild.
CREATE OR REPLACE FUNCTION connection_paths.exchange_rebuild(run_id bigint)
RETURNS boolean
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    missing bigint;
BEGIN
    PERFORM connection_paths.require_read_committed();
    IF NOT connection_paths.mark_exchanged(exchange_rebuild.run_id) THEN
        RETURN false;
    END IF;

    LOCK TABLE connection_paths.contact_connections IN ACCESS EXCLUSIVE MODE;

    SELECT count(*)
    INTO missing
    FROM connection_paths.missing_rebuild_indexes(exchange_rebuild.run_id);
    IF missing > 0 THEN
        RAISE EXCEPTION 'contact_connections_next lacks % indexes', missing
            USING ERRCODE = 'CP002',
                HINT = 'Execute the statements that missing_rebuild_indexes returns.';
    END IF;

    PERFORM connection_paths.redirect_searches(false); -- other sessions see that together with the exchange
    PERFORM connection_paths.copy_other_kinds();
    INSERT INTO connection_paths.contact_changes (contact_id)
    SELECT DISTINCT p.contact_id FROM connection_paths.rebuild_replays AS p;
    DELETE FROM connection_paths.rebuild_replays;
    DELETE FROM connection_paths.rebuild_other_kinds;

    -- the current values of the live table; this also turns autovacuum on again
    PERFORM connection_paths.copy_storage_parameters();
    IF EXISTS (
        SELECT
        FROM pg_catalog.pg_class AS c
        WHERE c.oid = 'connection_paths.contact_connections_live'::regclass AND c.relreplident = 'f'
    ) THEN
        ALTER TABLE connection_paths.contact_connections_next REPLICA IDENTITY FULL;
    END IF;
    ALTER TABLE connection_paths.contact_connections DETACH PARTITION connection_paths.contact_connections_live;
    ALTER TABLE connection_paths.contact_connections_live RENAME TO contact_connections_old;
    ALTER TABLE connection_paths.contact_connections_next RENAME TO contact_connections_live;
    ALTER TABLE connection_paths.contact_connections ATTACH PARTITION connection_paths.contact_connections_live DEFAULT;
    COMMENT ON TABLE connection_paths.contact_connections_live IS 'The rows of contact_connections; read and write them through contact_connections';
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.exchange_rebuild(bigint) IS 'Exchanges the live edges for contact_connections_next, in one short transaction';

REVOKE ALL ON FUNCTION connection_paths.exchange_rebuild(bigint) FROM PUBLIC;
