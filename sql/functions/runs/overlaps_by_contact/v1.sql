-- connection_paths.overlaps_by_contact()
--
-- Counts the overlaps of each contact, for all contacts at once.
--
-- Parameters
--     none
-- Returns
--     One row for each contact that exists and has a usable work experience at an organization that exists.
--     contact_id  The contact.
--     overlaps    The number of overlaps of its work experiences. The contact has at most as many edges, because one
--                 edge can come from several overlaps.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     sql/queries/edges/verify_sample.sql, sql/queries/runs/all_pairs.sql,
--     sql/queries/runs/organization_costs.sql, sql/queries/runs/sample_overlaps.sql
-- Why
--     An overlap is a pair of usable work experiences of two contacts at the same organization that share at least one
--     day. Half of the sum of all rows is the number of overlaps. counted_overlaps explains how they are counted.
CREATE OR REPLACE FUNCTION connection_paths.overlaps_by_contact()
RETURNS TABLE (contact_id bigint, overlaps bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    SELECT c.contact_id, sum(c.overlaps)::bigint
    FROM connection_paths.counted_overlaps() AS c
    GROUP BY c.contact_id;
END;

COMMENT ON FUNCTION connection_paths.overlaps_by_contact() IS 'How many overlaps each contact has: an upper bound of its edges; half the sum is the number of overlapping pairs';

REVOKE ALL ON FUNCTION connection_paths.overlaps_by_contact() FROM PUBLIC;
