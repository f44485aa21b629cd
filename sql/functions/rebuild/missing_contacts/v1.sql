-- connection_paths.missing_contacts()
--
-- Lists the contacts that have usable work experiences and do not exist.
--
-- Parameters
--     none
-- Returns
--     contact_id  Such a contact. Each contact once.
-- Errors
--     none
-- Reads
--     employments, live_contacts
-- Writes
--     none
-- Used by
--     copy_remaining_edges, prepare_rebuild
-- Why
--     These contacts have no edges. A rebuild lists them once, because the look-up of each neighbour, as work_overlaps
--     does it, would take half of the time of a rebuild.
CREATE OR REPLACE FUNCTION connection_paths.missing_contacts()
RETURNS TABLE (contact_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1000
BEGIN ATOMIC
    SELECT DISTINCT e.contact_id
    FROM connection_paths.employments AS e
    WHERE e.contact_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = e.contact_id);
END;

COMMENT ON FUNCTION connection_paths.missing_contacts() IS 'Contacts that have usable work experiences and do not exist';

REVOKE ALL ON FUNCTION connection_paths.missing_contacts() FROM PUBLIC;
