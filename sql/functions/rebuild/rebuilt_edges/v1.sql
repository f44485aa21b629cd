-- connection_paths.rebuilt_edges(above_contact_id, upto_contact_id)
--
-- Computes the edges whose smaller contact id is in a range, for a batch of a rebuild.
--
-- Parameters
--     above_contact_id  The range begins above this id. NULL: no lower bound.
--     upto_contact_id   The range ends with this id. NULL: no upper bound.
-- Returns
--     contact_a_id     The smaller contact id of the edge.
--     contact_b_id     The greater contact id of the edge.
--     organization_id  The organization where both worked.
--     date_from        The first day of the overlap.
--     date_to          The last day of the overlap. NULL: both work experiences continue.
--     strength         The strength of the edge: see edge_strength.
--     shared_organizations  How many organizations the two shared.
--     earlier_days     How many days before date_from the two had in common: see overlap_days.
--     people           The size class of the smallest organization that the two shared.
-- Errors
--     none
-- Reads
--     live_contacts, rebuild_missing_contacts
-- Writes
--     none
-- Used by
--     rebuild_range
-- Why
--     The function does not look up each greater contact, which would take half of the time of a rebuild. It uses the
--     list of missing contacts that was made when the rebuild began. copy_remaining_edges queues the contacts that were
--     inserted or deleted since then. PostgreSQL inlines this function into the calling query and plans both together.
CREATE OR REPLACE FUNCTION connection_paths.rebuilt_edges(above_contact_id bigint, upto_contact_id bigint)
RETURNS TABLE (
    contact_a_id bigint,
    contact_b_id bigint,
    organization_id bigint,
    date_from date,
    date_to date,
    strength smallint,
    shared_organizations smallint,
    earlier_days integer,
    people integer
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    SELECT
        c.id,
        w.neighbour_id,
        w.organization_id,
        w.date_from,
        w.date_to,
        connection_paths.edge_strength(
            connection_paths.overlap_days(w.date_from, w.date_to, w.earlier_days), w.people, w.shared_organizations
        ),
        w.shared_organizations,
        w.earlier_days,
        w.people
    FROM connection_paths.live_contacts AS c
    CROSS JOIN LATERAL connection_paths.possible_overlaps(c.id, neighbours_from => c.id) AS w
    WHERE w.neighbour_id NOT IN (SELECT m.contact_id FROM connection_paths.rebuild_missing_contacts AS m)
        AND (rebuilt_edges.above_contact_id IS NULL OR c.id > rebuilt_edges.above_contact_id)
        AND (rebuilt_edges.upto_contact_id IS NULL OR c.id <= rebuilt_edges.upto_contact_id);
END;

COMMENT ON FUNCTION connection_paths.rebuilt_edges(bigint, bigint) IS 'The edges whose smaller end is in a range of contact ids, as a rebuild computes them; part of rebuild_range';

REVOKE ALL ON FUNCTION connection_paths.rebuilt_edges(bigint, bigint) FROM PUBLIC;
