-- connection_paths.contacts_to_recompute(): the contacts that may have edges to make or to remove.
--
-- Who has usable work experiences, and who is the smaller end of an edge: both ends of an edge may have lost their
-- experiences, and nothing else would lead to it. Those ends are found by a loose index scan, one probe per contact
-- instead of one row per edge.
CREATE OR REPLACE FUNCTION connection_paths.contacts_to_recompute()
RETURNS TABLE (contact_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    WITH RECURSIVE low_ends (contact_id) AS (
        SELECT min(c.contact_a_id) FROM connection_paths.contact_connections AS c
        UNION ALL
        SELECT (
            SELECT min(c.contact_a_id)
            FROM connection_paths.contact_connections AS c
            WHERE c.contact_a_id > e.contact_id
        )
        FROM low_ends AS e
        WHERE e.contact_id IS NOT NULL
    )
    SELECT e.contact_id FROM connection_paths.work_experiences AS e WHERE e.contact_id IS NOT NULL
    UNION
    SELECT e.contact_id FROM low_ends AS e WHERE e.contact_id IS NOT NULL;
END;

COMMENT ON FUNCTION connection_paths.contacts_to_recompute() IS 'The contacts that have usable work experiences or are the smaller end of an edge';

REVOKE ALL ON FUNCTION connection_paths.contacts_to_recompute() FROM PUBLIC;
