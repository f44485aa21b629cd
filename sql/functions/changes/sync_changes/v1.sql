-- connection_paths.sync_changes(max_changes, one_by_one, retry_failed)
--
-- Takes changes from the queue and refreshes the edges of their contacts, in one transaction.
--
-- Parameters
--     max_changes   How many queue rows to take at most, at least 1. The default is 200.
--     one_by_one    true: refresh each contact on its own, and put a contact whose refresh fails back into the queue
--                   with its error. At most 50 queue rows are then taken. Use it after a call without it has failed.
--                   NULL means false, which is the default.
--     retry_failed  true: also take queue rows that have failed three times. NULL means false, which is the default.
-- Returns
--     One row.
--     taken          The number of queue rows that were taken, or that were moved to the queue from due_changes and
--                    name_changes. When there is none: the number of organizations that were counted. When none had to
--                    be counted: the number of company names for which candidates were looked for, plus the number of
--                    capture failures whose recovery went on: see recover_capture. 0: nothing is left to do, or the
--                    rest waits for the transactions of other sessions.
--     contacts       The number of contacts that were refreshed.
--     edges_changed  The number of rows of contact_connections that were inserted, updated or deleted.
--     failed         The number of contacts that were put back with an error.
--     changes        The number of queue rows that were taken. It is less than taken where the call did something else:
--                    it moved rows to the queue, counted an organization, compared a name or recovered from a failure.
-- Errors
--     22023  max_changes is NULL or less than 1.
--     25001  The transaction is not READ COMMITTED.
--     55P03  Another transaction that refreshes edges did not end in time. Call again in another transaction.
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     orchestrator/changes/worker.py, orchestrator/install/installation.py, operators
-- Why
--     Call the function again until taken is 0, each time in a transaction of its own: two sessions that call it twice
--     in one transaction may deadlock. Any number of sessions may call it at the same time. A session that dies loses
--     nothing, because its transaction rolls back.
--
--     A call does one of three things. Contacts whose scheduled refresh is due, and the contacts of company names whose
--     decision has changed, are moved to the queue, and the call ends: it must not hold rows of due_changes while it
--     waits in await_refreshes, because sessions in schedule_refreshes would wait for these rows. Otherwise the call
--     takes queue rows. A row for an organization is replaced by a row for each contact that has worked there, and a
--     row for every contact by a row for each contact. Later calls refresh these contacts. The people of an
--     organization with a row are counted, too. When the queue is empty, the call counts organizations whose last count
--     is too old.
--
--     Without one_by_one, every error of a refresh is raised. With one_by_one, only two kinds of errors are raised:
--     those that every contact would raise, and deadlocks, timeouts and cancellations. When max_changes is 1, the
--     latter also count as errors of the contact.
--
--     Contacts that were queued with all others of their organization are refreshed from their smaller ends only: see
--     queue_affected_contacts. With one_by_one, every edge of a contact is refreshed.
--
--     New company names of these contacts get candidates: see propose_new_names. That comes last. There, the session
--     may wait for another one that inserts the same name. It needs no further lock then, so the two do not deadlock.
--
--     The function waits in await_refreshes before it reads a table of the application. So it holds no lock on such a
--     table during the wait.
CREATE OR REPLACE FUNCTION connection_paths.sync_changes(
    max_changes integer DEFAULT 200,
    one_by_one boolean DEFAULT false,
    retry_failed boolean DEFAULT false
)
RETURNS TABLE (taken bigint, contacts bigint, edges_changed bigint, failed bigint, changes bigint)
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
ROWS 1
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    names_at_once CONSTANT integer := 200; -- new company names of a call; the others wait for a later one
    batch record;
    part record;
    names bigint;
    recovered bigint;
BEGIN
    IF sync_changes.max_changes IS NULL OR sync_changes.max_changes < 1 THEN
        RAISE EXCEPTION 'max_changes must not be %', COALESCE(sync_changes.max_changes::text, 'null')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Use 1 or more.';
    END IF;
    PERFORM connection_paths.require_sources();
    recovered := connection_paths.recover_capture();
    contacts := 0;
    edges_changed := 0;
    failed := 0;
    changes := 0;

    taken := connection_paths.queue_due_contacts(sync_changes.max_changes)
        + connection_paths.queue_named_contacts(sync_changes.max_changes);
    IF taken > 0 THEN
        RETURN NEXT;
        RETURN;
    END IF;

    SELECT t.*
    INTO batch
    FROM connection_paths.take_changes(
        CASE WHEN sync_changes.one_by_one THEN LEAST(sync_changes.max_changes, 50) ELSE sync_changes.max_changes END,
        sync_changes.retry_failed
    ) AS t;
    taken := batch.taken;
    changes := batch.taken;
    IF taken = 0 THEN
        taken := connection_paths.recount_organizations(sync_changes.max_changes);
        IF taken > 0 THEN
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    IF batch.contact_ids IS NOT NULL THEN
        PERFORM connection_paths.await_refreshes(batch.written_by);
    END IF;
    IF batch.organization_ids IS NOT NULL THEN
        PERFORM connection_paths.resize_organizations(
            batch.organization_ids,
            ARRAY(
                SELECT connection_paths.known_people(o.id)
                FROM unnest(batch.organization_ids) WITH ORDINALITY AS o (id, place)
                ORDER BY o.place
            ),
            (SELECT min(o.day) FROM unnest(batch.organizations_changed_at) AS o (day))
        );
    END IF;
    PERFORM connection_paths.queue_affected_contacts(
        batch.written_by, batch.everyone_changed_at, batch.organization_ids, batch.organizations_changed_at
    );

    IF batch.contact_ids IS NOT NULL THEN
        PERFORM connection_paths.delete_requests(batch.contact_ids);
        PERFORM connection_paths.count_organizations(
            batch.contact_ids, changed_at => (SELECT min(c.day) FROM unnest(batch.contacts_changed_at) AS c (day))
        );
        IF sync_changes.one_by_one THEN
            SELECT r.contacts, r.edges_changed, r.failed
            INTO contacts, edges_changed, failed
            FROM connection_paths.refresh_one_by_one(
                batch.contact_ids,
                batch.contacts_changed_at,
                batch.contacts_failures,
                batch.written_by,
                blame_any_error => sync_changes.max_changes = 1
            ) AS r;
        ELSE
            contacts := cardinality(batch.contact_ids);
            FOR part IN
                SELECT c.smaller_ends_only, array_agg(c.id) AS contact_ids
                FROM unnest(batch.contact_ids, batch.smaller_ends_only) AS c (id, smaller_ends_only)
                GROUP BY c.smaller_ends_only
                ORDER BY c.smaller_ends_only
            LOOP
                edges_changed := edges_changed + connection_paths.write_edges(part.contact_ids, part.smaller_ends_only);
            END LOOP;
        END IF;
    END IF;
    names := connection_paths.propose_new_names(
        batch.contact_ids,
        batch.organization_ids,
        names_at_once,
        (SELECT min(c.day) FROM unnest(batch.contacts_changed_at || batch.organizations_changed_at) AS c (day))
    );
    IF taken = 0 THEN
        taken := names + recovered;
    END IF;
    RETURN NEXT;
END
$function$;

COMMENT ON FUNCTION connection_paths.sync_changes(integer, boolean, boolean) IS 'Takes changes from the queue and refreshes the edges of their contacts';

REVOKE ALL ON FUNCTION connection_paths.sync_changes(integer, boolean, boolean) FROM PUBLIC;
