-- connection_paths.rebuilt_edges(above_contact_id, upto_contact_id): the edges of a batch of a rebuild.
--
-- Does not look up each greater end, which would take half the time of a rebuild. Contacts that have work experiences
-- and do not exist were listed when the rebuild began; copy_remaining_edges queues contacts that changed since.
--
-- above_contact_id, upto_contact_id  the smaller ends, (above, upto]; NULL is no bound
--
-- Inlined into the calling query (LANGUAGE sql, STABLE, no SET, not STRICT), so it is planned with it.
CREATE OR REPLACE FUNCTION connection_paths.rebuilt_edges(above_contact_id bigint, upto_contact_id bigint)
RETURNS TABLE (contact_a_id bigint, contact_b_id bigint, organization_id bigint, date_from date, date_to date)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    SELECT c.id, w.neighbour_id, w.organization_id, w.date_from, w.date_to
    FROM connection_paths.live_contacts AS c
    CROSS JOIN LATERAL connection_paths.possible_overlaps(c.id, neighbours_from => c.id) AS w
    WHERE w.neighbour_id NOT IN (SELECT m.contact_id FROM connection_paths.rebuild_missing_contacts AS m)
        AND (rebuilt_edges.above_contact_id IS NULL OR c.id > rebuilt_edges.above_contact_id)
        AND (rebuilt_edges.upto_contact_id IS NULL OR c.id <= rebuilt_edges.upto_contact_id);
END;

COMMENT ON FUNCTION connection_paths.rebuilt_edges(bigint, bigint) IS 'The edges whose smaller end is in a range of contact ids, as a rebuild computes them; part of rebuild_range';

REVOKE ALL ON FUNCTION connection_paths.rebuilt_edges(bigint, bigint) FROM PUBLIC;
