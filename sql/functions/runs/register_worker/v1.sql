-- connection_paths.register_worker(): makes this session a worker.
--
-- Takes a number and holds an advisory lock under it until the session ends, however it ends. That lock is all there is
-- to know whether a worker lives: no heartbeat, no timer. A number is passed over when somebody else holds its lock, or
-- when a batch or the end of a run is still claimed under it: a restore may have brought the claim and not the
-- sequence. Called again in the same session, it does nothing more.
--
-- Returns  the worker's id.
-- Raises   42501 when the role of the session may not write to backfill_batches: its lock would not count. See
--          lock_holders.
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
        CONTINUE WHEN EXISTS (
                SELECT
                FROM connection_paths.backfill_batches AS b
                WHERE b.status = 'claimed' AND b.worker_id = mine
            )
            OR EXISTS (SELECT FROM connection_paths.backfill_runs AS r WHERE r.ended_by = mine AND r.phase <> 'finished');
        EXIT WHEN pg_try_advisory_lock(connection_paths.advisory_key('worker', mine));
    END LOOP;
    IF NOT EXISTS (
        SELECT FROM connection_paths.lock_holders('worker') AS h WHERE h.pid = pg_backend_pid()
    ) THEN
        PERFORM pg_catalog.pg_advisory_unlock(connection_paths.advisory_key('worker', mine));
        RAISE EXCEPTION 'role %, by which this session began, may not write to backfill_batches', session_user
            USING ERRCODE = 'insufficient_privilege', HINT = 'Connect as a role that may, or as a member of one.';
    END IF;
    RETURN mine;
END
$function$;

COMMENT ON FUNCTION connection_paths.register_worker() IS 'Makes this session a worker, known to live by an advisory lock; returns its id';

REVOKE ALL ON FUNCTION connection_paths.register_worker() FROM PUBLIC;
