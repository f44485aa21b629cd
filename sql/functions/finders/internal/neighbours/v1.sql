-- connection_paths.neighbours(contact_id)
--
-- Gives the neighbours of a contact, in no order.
--
-- Parameters
--     contact_id  The contact.
-- Returns
--     The id at the other end of each edge. A pair with edges of several kinds comes several times.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     all_members, front_edges
-- Why
--     The planner inlines this function, which reads the two walk indexes alone, one after the other. Reading them in
--     order, as contact_edges does, takes 1.2 to 1.3 times as long (docs/adr/0013-members-by-look-up.md).
CREATE OR REPLACE FUNCTION connection_paths.neighbours(contact_id bigint)
RETURNS SETOF bigint
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100
BEGIN ATOMIC
    SELECT c.contact_b_id
    FROM connection_paths.contact_connections AS c
    WHERE c.contact_a_id = neighbours.contact_id
    UNION ALL
    SELECT c.contact_a_id
    FROM connection_paths.contact_connections AS c
    WHERE c.contact_b_id = neighbours.contact_id;
END;

COMMENT ON FUNCTION connection_paths.neighbours(bigint) IS 'The neighbours of a contact, in no order';

REVOKE ALL ON FUNCTION connection_paths.neighbours(bigint) FROM PUBLIC;
