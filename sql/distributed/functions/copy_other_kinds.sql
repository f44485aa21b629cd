-- connection_paths.copy_other_kinds()
--
-- Copies the edges of other kinds that were written during a rebuild to contact_connections_next.
--
-- Parameters
--     none
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     contact_connections_live
-- Writes
--     contact_connections_next
-- Used by
--     exchange_rebuild
-- Why
--     Nothing records which of these edges were written, so all of them are copied again. Each worker copies those that
--     it has. To find them, it reads its part of both tables, while searches wait. Where the application has not added
--     a kind to connection_kind, there is nothing to find.
CREATE OR REPLACE FUNCTION connection_paths.copy_other_kinds()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    IF enum_first(NULL::connection_paths.connection_kind) = enum_last(NULL::connection_paths.connection_kind) THEN
        RETURN;
    END IF;
    DELETE FROM connection_paths.contact_connections_next AS n WHERE n.kind <> 'work_overlap';
    INSERT INTO connection_paths.contact_connections_next
    SELECT c.* FROM connection_paths.contact_connections_live AS c WHERE c.kind <> 'work_overlap';
END
$function$;

COMMENT ON FUNCTION connection_paths.copy_other_kinds() IS 'Copies the edges of other kinds that were written during a rebuild; part of exchange_rebuild';

REVOKE ALL ON FUNCTION connection_paths.copy_other_kinds() FROM PUBLIC;
