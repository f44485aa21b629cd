-- connection_paths.stored_overlaps(contact_ids, smaller_ends_only)
--
-- Gives the work_overlap edges of some contacts, as they are stored.
--
-- Parameters
--     contact_ids        The contacts. Required.
--     smaller_ends_only  true: only the edges whose smaller contact id is in contact_ids.
-- Returns
--     One row per edge. On one server, an edge between two of the contacts comes twice.
--     contact_a_id, contact_b_id, strength, shared_organizations, organization_id, date_from, date_to, earlier_days,
--     people
--         The columns of contact_connections.
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     sql/queries/edges/verify_edges.sql
-- Why
--     Each arm is a join, so the edges of a contact are found through an index, however many contacts there are.
--     PostgreSQL inlines this function into the calling query and plans both together.
CREATE OR REPLACE FUNCTION connection_paths.stored_overlaps(contact_ids bigint[], smaller_ends_only boolean)
RETURNS TABLE (
    contact_a_id bigint,
    contact_b_id bigint,
    strength smallint,
    shared_organizations smallint,
    organization_id bigint,
    date_from date,
    date_to date,
    earlier_days integer,
    people integer
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1000
BEGIN ATOMIC
    SELECT e.contact_a_id, e.contact_b_id, e.strength, e.shared_organizations, e.organization_id, e.date_from, e.date_to,
        e.earlier_days, e.people
    FROM unnest(stored_overlaps.contact_ids) AS c (id)
    JOIN connection_paths.contact_connections AS e ON e.contact_a_id = c.id
    WHERE e.kind = 'work_overlap'
    UNION ALL
    SELECT e.contact_a_id, e.contact_b_id, e.strength, e.shared_organizations, e.organization_id, e.date_from, e.date_to,
        e.earlier_days, e.people
    FROM unnest(stored_overlaps.contact_ids) AS c (id)
    JOIN connection_paths.contact_connections AS e ON e.contact_b_id = c.id
    WHERE e.kind = 'work_overlap' AND NOT stored_overlaps.smaller_ends_only;
END;

COMMENT ON FUNCTION connection_paths.stored_overlaps(bigint[], boolean) IS 'The work_overlap edges of some contacts, as they are stored';

REVOKE ALL ON FUNCTION connection_paths.stored_overlaps(bigint[], boolean) FROM PUBLIC;
