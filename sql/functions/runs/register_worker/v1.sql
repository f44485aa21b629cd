-- connection_paths.register_worker()
--
-- Makes this session a worker, which counts as alive until the session ends.
--
-- Parameters
--     none
-- Returns
--     The number of the worker. A second call in the same session returns the same number.
-- Errors
--     42501  The role of the session may not write to backfill_batches, so lock_holders would not count its lock.
-- Reads
--     backfill_batches, backfill_runs
-- Writes
--     none
-- Used by
--     claim_batch, claim_finish, orchestrator/runs/driver.py
-- Why
--     The session holds an advisory lock for this number. PostgreSQL releases the lock when the session ends for any
--     reason. Only this lock shows that the worker is alive, so no heartbeat and no timeout is needed. A pooler that
--     shares sessions between clients would give the lock to another client. So workers connect directly to the server.
--
--     A restore may bring back a claimed batch, but not the position of the sequence. So the function skips a number
--     that a claimed batch or an unfinished run contains, and a number whose lock another session holds.
CREATE OR REPLACE FUNCTION connection_paths.register_worker()
RETURNS integer
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    own_id integer;
BEGIN
    SELECT h.id
    INTO own_id
    FROM connection_paths.lock_holders('worker') AS h
    WHERE h.pid = pg_backend_pid();
    IF FOUND THEN
        RETURN own_id;
    END IF;

    LOOP -- the sequence begins again after two billion numbers
        own_id := nextval('connection_paths.backfill_worker_ids');
        CONTINUE WHEN EXISTS (
                SELECT
                FROM connection_paths.backfill_batches AS b
                WHERE b.status = 'claimed' AND b.worker_id = own_id
            )
            OR EXISTS (
                SELECT
                FROM connection_paths.backfill_runs AS r
                WHERE r.finishing_worker_id = own_id AND r.phase <> 'finished'
            );
        EXIT WHEN pg_try_advisory_lock(connection_paths.advisory_key('worker', own_id));
    END LOOP;
    IF NOT EXISTS (
        SELECT FROM connection_paths.lock_holders('worker') AS h WHERE h.pid = pg_backend_pid()
    ) THEN
        PERFORM pg_catalog.pg_advisory_unlock(connection_paths.advisory_key('worker', own_id));
        RAISE EXCEPTION 'role %, as which this session has connected, may not write to backfill_batches', session_user
            USING ERRCODE = 'insufficient_privilege', HINT = 'Connect as a role that may, or as a member of one.';
    END IF;
    RETURN own_id;
END
$function$;

COMMENT ON FUNCTION connection_paths.register_worker() IS 'Makes this session a worker, which is alive while the session holds an advisory lock; returns its number';

REVOKE ALL ON FUNCTION connection_paths.register_worker() FROM PUBLIC;
