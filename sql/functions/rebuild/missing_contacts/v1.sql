-- connection_paths.missing_contacts(): who has usable work experiences and does not exist, or is deleted.
--
-- No edge leads to these contacts. A rebuild asks for all of them at once; work_overlaps looks up each neighbour.
CREATE OR REPLACE FUNCTION connection_paths.missing_contacts()
RETURNS TABLE (contact_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1000
BEGIN ATOMIC
    SELECT DISTINCT e.contact_id
    FROM connection_paths.work_experiences AS e
    WHERE e.contact_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = e.contact_id);
END;

COMMENT ON FUNCTION connection_paths.missing_contacts() IS 'Contacts that have usable work experiences and do not exist';

REVOKE ALL ON FUNCTION connection_paths.missing_contacts() FROM PUBLIC;
