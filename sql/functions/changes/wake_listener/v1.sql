-- connection_paths.wake_listener(): wakes `orchestrator sync --follow` if it sleeps.
--
-- A NOTIFY makes the commits of all who notify wait for each other, so writers notify only when somebody sleeps: the
-- sleeper holds an advisory lock, which a writer tries to share. Who gets it keeps it until its transaction ends, and a
-- follower cannot fall asleep meanwhile, so no change is slept through. (Where prepared transactions are in use, which
-- may not notify, nobody is woken: the follower looks by itself every few seconds.)
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

COMMENT ON FUNCTION connection_paths.wake_listener() IS 'Wakes who waits for changes, if anybody does; part of the triggers';

REVOKE ALL ON FUNCTION connection_paths.wake_listener() FROM PUBLIC;
