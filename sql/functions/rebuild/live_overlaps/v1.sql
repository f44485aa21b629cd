-- connection_paths.live_overlaps(above_contact_id, upto_contact_id)
--
-- Gives the stored work_overlap edges whose smaller contact id is in a range.
--
-- Parameters
--     above_contact_id  The range begins above this id. NULL: no lower bound.
--     upto_contact_id   The range ends with this id. NULL: no upper bound.
-- Returns
--     One row per edge: the columns of contact_connections.
--     contact_a_id, contact_b_id, strength, shared_organizations, organization_id, date_from, date_to, earlier_days,
--     people, computed_at
-- Errors
--     none
-- Reads
--     contact_connections
-- Writes
--     none
-- Used by
--     rebuild_range
-- Why
--     PostgreSQL inlines this function into the calling query and plans both together.
CREATE OR REPLACE FUNCTION connection_paths.live_overlaps(above_contact_id bigint, upto_contact_id bigint)
RETURNS TABLE (
    contact_a_id bigint,
    contact_b_id bigint,
    strength smallint,
    shared_organizations smallint,
    organization_id bigint,
    date_from date,
    date_to date,
    earlier_days integer,
    people integer,
    computed_at timestamptz
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    SELECT c.contact_a_id, c.contact_b_id, c.strength, c.shared_organizations, c.organization_id, c.date_from, c.date_to,
        c.earlier_days, c.people, c.computed_at
    FROM connection_paths.contact_connections AS c
    WHERE c.kind = 'work_overlap'
        AND (live_overlaps.above_contact_id IS NULL OR c.contact_a_id > live_overlaps.above_contact_id)
        AND (live_overlaps.upto_contact_id IS NULL OR c.contact_a_id <= live_overlaps.upto_contact_id);
END;

COMMENT ON FUNCTION connection_paths.live_overlaps(bigint, bigint) IS 'The stored work_overlap edges whose smaller contact id is in a range; part of rebuild_range';

REVOKE ALL ON FUNCTION connection_paths.live_overlaps(bigint, bigint) FROM PUBLIC;
