-- connection_paths.record_other_kind()
--
-- Trigger function that records an edge of another kind which is written during a rebuild.
--
-- Parameters
--     none
-- Returns
--     NULL, which PostgreSQL ignores.
-- Errors
--     55006  The statement is TRUNCATE: the rows that exchange_rebuild copies would come back.
-- Reads
--     none
-- Writes
--     rebuild_other_kinds
-- Used by
--     prepare_rebuild, trigger on contact_connections_live
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
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO connection_paths.rebuild_other_kinds (contact_a_id, contact_b_id, kind)
        VALUES (OLD.contact_a_id, OLD.contact_b_id, OLD.kind);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO connection_paths.rebuild_other_kinds (contact_a_id, contact_b_id, kind)
        VALUES (NEW.contact_a_id, NEW.contact_b_id, NEW.kind);
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.record_other_kind() IS 'Trigger: records an edge of another kind that is written during a rebuild';

REVOKE ALL ON FUNCTION connection_paths.record_other_kind() FROM PUBLIC;
