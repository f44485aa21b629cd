-- connection_paths.register_worker(): makes this session a worker.
--
-- Takes a number and holds an advisory lock under it until the session ends, however it ends. That lock is all there
-- is to know whether a worker lives: no heartbeat, no timer. Called again in the same session it does nothing more.
--
-- Returns  the worker's id.
--
-- The lock is the session's, so a pooler that shares sessions between clients takes it away: connect directly.
CREATE OR REPLACE FUNCTION connection_paths.register_worker()
RETURNS integer
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    mine integer;
BEGIN
    SELECT h.id
    INTO mine
    FROM connection_paths.lock_holders('worker') AS h
    WHERE h.pid = pg_backend_pid();
    IF FOUND THEN
        RETURN mine;
    END IF;

    LOOP -- the numbers come round again after two billion
        mine := nextval('connection_paths.backfill_worker_ids');
        EXIT WHEN pg_try_advisory_lock(connection_paths.advisory_key('worker', mine));
    END LOOP;
    RETURN mine;
END
$function$;

COMMENT ON FUNCTION connection_paths.register_worker() IS 'Makes this session a worker, known to live by an advisory lock; returns its id';

REVOKE ALL ON FUNCTION connection_paths.register_worker() FROM PUBLIC;
