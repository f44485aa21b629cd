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
--     The shards are read by a statement of its own, because Citus cannot plan one that also computes edges.
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
LANGUAGE plpgsql
STABLE
PARALLEL RESTRICTED
SECURITY INVOKER
ROWS 100000
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = auto -- Citus cannot plan a statement whose parameters it does not know
AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT c.contact_a_id, c.contact_b_id, c.strength, c.shared_organizations, c.organization_id, c.date_from, c.date_to,
        c.earlier_days, c.people, c.computed_at
    FROM connection_paths.contact_connections AS c
    WHERE c.kind = 'work_overlap'
        AND (above_contact_id IS NULL OR c.contact_a_id > above_contact_id)
        AND (upto_contact_id IS NULL OR c.contact_a_id <= upto_contact_id);
END
$function$;

COMMENT ON FUNCTION connection_paths.live_overlaps(bigint, bigint) IS 'The stored work_overlap edges whose smaller contact id is in a range; part of rebuild_range';

REVOKE ALL ON FUNCTION connection_paths.live_overlaps(bigint, bigint) FROM PUBLIC;
