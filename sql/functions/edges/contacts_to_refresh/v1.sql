-- connection_paths.contacts_to_refresh(above_contact_id, upto_contact_id)
--
-- Lists the contacts of a range of ids that may have edges to insert, update or delete.
--
-- Parameters
--     above_contact_id  The range begins above this id. NULL: no lower bound.
--     upto_contact_id   The range ends with this id. NULL: no upper bound.
-- Returns
--     contact_id  A contact that has usable work experiences, or that is the smaller end of an edge. Each contact once.
-- Errors
--     none
-- Reads
--     employments
-- Writes
--     none
-- Used by
--     queue_affected_contacts, refresh_range
-- Why
--     An edge may have to be deleted because both of its contacts have lost their work experiences. Only the edge shows
--     that these contacts need a refresh. PostgreSQL inlines this function into the calling query and plans both
--     together.
CREATE OR REPLACE FUNCTION connection_paths.contacts_to_refresh(
    above_contact_id bigint DEFAULT NULL,
    upto_contact_id bigint DEFAULT NULL
)
RETURNS TABLE (contact_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    SELECT e.contact_id
    FROM connection_paths.employments AS e
    WHERE e.contact_id IS NOT NULL
        AND (contacts_to_refresh.above_contact_id IS NULL OR e.contact_id > contacts_to_refresh.above_contact_id)
        AND (contacts_to_refresh.upto_contact_id IS NULL OR e.contact_id <= contacts_to_refresh.upto_contact_id)
    UNION
    SELECT s.contact_id
    FROM connection_paths.edge_ends(contacts_to_refresh.above_contact_id, contacts_to_refresh.upto_contact_id) AS s;
END;

COMMENT ON FUNCTION connection_paths.contacts_to_refresh(bigint, bigint) IS 'The contacts of a range that have usable work experiences or are the smaller end of an edge';

REVOKE ALL ON FUNCTION connection_paths.contacts_to_refresh(bigint, bigint) FROM PUBLIC;
