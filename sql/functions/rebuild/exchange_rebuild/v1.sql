-- connection_paths.exchange_rebuild(run_id): puts a rebuild in place of the live edges.
--
-- One short transaction: whoever reads or writes edges waits for it, and it for them, so set lock_timeout and try
-- again. contact_connections stays the table it is, with its grants, policies, views on it and functions; only its
-- partition is another. Then the contacts that were recomputed in the live edges meanwhile (and whom copy_remaining_edges added)
-- are put among the changes again, and the edges of other kinds that were noted are carried over as they are now.
--
-- contact_connections_next must have the indexes of contact_connections, or the exchange would build them under its
-- lock; that is refused with CP002. The replaced table stays as contact_connections_old until drop_rebuild.
--
-- Beside a partition of the application's own, PostgreSQL reads the whole new table during the exchange.
--
-- A transaction under REPEATABLE READ that began before the rebuild ended and reads edges only after the swap sees few
-- of them: to its snapshot, the new rows are not there yet. A statement that waited for the swap sees all of the
-- package's edges, but not those of other kinds that were written during the rebuild.
--
-- Returns  whether it was done now; false when it had been done before.
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
    UPDATE connection_paths.backfill_runs AS r
    SET phase = 'swapped'
    WHERE r.run_id = exchange_rebuild.run_id AND r.phase = 'indexing' AND r.status IN ('running', 'paused');
    IF NOT FOUND THEN
        RETURN false;
    END IF;

    LOCK TABLE connection_paths.contact_connections IN ACCESS EXCLUSIVE MODE;

    SELECT count(*)
    INTO missing
    FROM connection_paths.missing_rebuild_indexes(exchange_rebuild.run_id);
    IF missing > 0 THEN
        RAISE EXCEPTION 'contact_connections_next lacks % indexes', missing
            USING ERRCODE = 'CP002',
                HINT = 'Execute the statements that missing_rebuild_indexes gives.';
    END IF;

    DELETE FROM connection_paths.contact_connections_next AS n
    USING connection_paths.rebuild_other_kinds AS k
    WHERE n.contact_a_id = k.contact_a_id AND n.contact_b_id = k.contact_b_id AND n.kind = k.kind
        AND k.kind <> 'work_overlap';
    INSERT INTO connection_paths.contact_connections_next
    SELECT c.*
    FROM (
        SELECT DISTINCT k.contact_a_id, k.contact_b_id, k.kind
        FROM connection_paths.rebuild_other_kinds AS k
        WHERE k.kind <> 'work_overlap'
    ) AS noted
    JOIN connection_paths.contact_connections_live AS c
        ON c.contact_a_id = noted.contact_a_id AND c.contact_b_id = noted.contact_b_id AND c.kind = noted.kind;

    INSERT INTO connection_paths.contact_changes (contact_id)
    SELECT DISTINCT p.contact_id FROM connection_paths.rebuild_replays AS p;
    DELETE FROM connection_paths.rebuild_replays;
    DELETE FROM connection_paths.rebuild_other_kinds;

    -- as they are by now, and autovacuum as it was
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
    COMMENT ON TABLE connection_paths.contact_connections_live IS 'The rows of contact_connections; read and write those through it';
    RETURN true;
END
$function$;

COMMENT ON FUNCTION connection_paths.exchange_rebuild(bigint) IS 'Puts contact_connections_next in place of the live edges, in one short transaction';

REVOKE ALL ON FUNCTION connection_paths.exchange_rebuild(bigint) FROM PUBLIC;
