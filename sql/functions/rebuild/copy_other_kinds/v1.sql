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
--     contact_connections_live, rebuild_other_kinds
-- Writes
--     contact_connections_next
-- Used by
--     exchange_rebuild
-- Why
--     copy_remaining_edges has copied the edges of other kinds that were there before. The triggers of
--     watch_other_kinds have recorded which were written since then.
CREATE OR REPLACE FUNCTION connection_paths.copy_other_kinds()
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    DELETE FROM connection_paths.contact_connections_next AS n
    USING connection_paths.rebuild_other_kinds AS k
    WHERE n.contact_a_id = k.contact_a_id AND n.contact_b_id = k.contact_b_id AND n.kind = k.kind;
    INSERT INTO connection_paths.contact_connections_next
    SELECT c.*
    FROM (
        SELECT DISTINCT k.contact_a_id, k.contact_b_id, k.kind
        FROM connection_paths.rebuild_other_kinds AS k
    ) AS recorded
    JOIN connection_paths.contact_connections_live AS c
        ON c.contact_a_id = recorded.contact_a_id
        AND c.contact_b_id = recorded.contact_b_id
        AND c.kind = recorded.kind;
END
$function$;

COMMENT ON FUNCTION connection_paths.copy_other_kinds() IS 'Copies the edges of other kinds that were written during a rebuild; part of exchange_rebuild';

REVOKE ALL ON FUNCTION connection_paths.copy_other_kinds() FROM PUBLIC;
