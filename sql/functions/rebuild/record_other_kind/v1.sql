-- connection_paths.record_other_kind()
--
-- Trigger function that records which edges of other kinds are written during a rebuild.
--
-- Parameters
--     none
-- Returns
--     NULL, which PostgreSQL ignores.
-- Errors
--     55006  The statement is TRUNCATE. Without the error, the exchange would bring back the deleted edges.
-- Reads
--     none
-- Writes
--     rebuild_other_kinds
-- Used by
--     watch_other_kinds, trigger on contact_connections_live
-- Why
--     SECURITY DEFINER: a role that writes edges of another kind needs no rights on the other tables of the package.
CREATE OR REPLACE FUNCTION connection_paths.record_other_kind()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'contact_connections is being rebuilt'
            USING ERRCODE = 'object_in_use', HINT = 'Use DELETE, or cancel the run.';
    END IF;
    -- OLD is NULL after INSERT and NEW is NULL after DELETE; the comparison leaves such a row out
    INSERT INTO connection_paths.rebuild_other_kinds (contact_a_id, contact_b_id, kind)
    SELECT e.contact_a_id, e.contact_b_id, e.kind
    FROM (
        VALUES (OLD.contact_a_id, OLD.contact_b_id, OLD.kind), (NEW.contact_a_id, NEW.contact_b_id, NEW.kind)
    ) AS e (contact_a_id, contact_b_id, kind)
    WHERE e.kind <> 'work_overlap';
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.record_other_kind() IS 'Trigger: records which edges of other kinds are written during a rebuild';

REVOKE ALL ON FUNCTION connection_paths.record_other_kind() FROM PUBLIC;
