-- connection_paths.refuse_reopening(): trigger; a run that is over stays over.
--
-- What changes after a rebuild is cancelled is noted for it no more, and its table may be the next one's by now. Raises
-- 55000.
CREATE OR REPLACE FUNCTION connection_paths.refuse_reopening()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION 'run % is over: %', OLD.run_id, OLD.status
        USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Begin another: create_run.';
END
$function$;

COMMENT ON FUNCTION connection_paths.refuse_reopening() IS 'Trigger: refuses another status for a run that is over';

REVOKE ALL ON FUNCTION connection_paths.refuse_reopening() FROM PUBLIC;
