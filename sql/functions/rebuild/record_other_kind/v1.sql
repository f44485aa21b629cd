-- connection_paths.record_other_kind(): trigger; notes an edge of another kind that is written during a rebuild.
--
-- Runs with its owner's rights: who writes edges of another kind need have none on the package's own tables.
-- TRUNCATE is refused meanwhile with 55006, for the rows that are to be carried over would come back.
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
            USING ERRCODE = 'object_in_use', HINT = 'DELETE, or cancel the run.';
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

COMMENT ON FUNCTION connection_paths.record_other_kind() IS 'Trigger: notes an edge of another kind that is written while a rebuild is under way';

REVOKE ALL ON FUNCTION connection_paths.record_other_kind() FROM PUBLIC;
