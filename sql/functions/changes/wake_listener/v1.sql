-- connection_paths.wake_listener()
--
-- Wakes `orchestrator sync --follow` if it sleeps.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     queue_added_or_removed, queue_changed_experiences, queue_changes, queue_decided_names, queue_everyone,
--     queue_policy_changes, queue_replicated_row
-- Why
--     NOTIFY makes commits wait for each other. So a writer notifies only while a listener sleeps. A sleeping listener
--     holds an advisory lock exclusively, and the writer tries to share it. A writer that gets the lock keeps it until
--     its transaction ends. A listener cannot get the lock, and so cannot fall asleep, until that writer has committed.
--     So a listener never sleeps while there are changes.
--
--     A transaction that is prepared for two-phase commit cannot notify. So where the server allows prepared
--     transactions, no writer notifies, and the listener looks at the queue every few seconds.
CREATE OR REPLACE FUNCTION connection_paths.wake_listener()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF NOT pg_try_advisory_xact_lock_shared(connection_paths.advisory_key('listener', 0))
        AND current_setting('max_prepared_transactions') = '0'
    THEN
        PERFORM pg_notify('connection_paths_changes', '');
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.wake_listener() IS 'Wakes orchestrator sync --follow if it sleeps; part of the triggers';

REVOKE ALL ON FUNCTION connection_paths.wake_listener() FROM PUBLIC;
