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
--     sql/queries/edges/verify_edges.sql, write_edges
-- Why
--     One query asks the shards at the same time; with smaller_ends_only, those of these contacts alone.
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
LANGUAGE plpgsql
STABLE
PARALLEL RESTRICTED
SECURITY INVOKER
ROWS 1000
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = auto -- Citus cannot plan a statement whose parameters it does not know
AS $function$
#variable_conflict use_column
BEGIN
    IF smaller_ends_only THEN
        RETURN QUERY
        SELECT c.contact_a_id, c.contact_b_id, c.strength, c.shared_organizations, c.organization_id, c.date_from,
            c.date_to, c.earlier_days, c.people
        FROM connection_paths.contact_connections AS c
        WHERE c.kind = 'work_overlap' AND c.contact_a_id = ANY (contact_ids);
    ELSE
        RETURN QUERY
        SELECT c.contact_a_id, c.contact_b_id, c.strength, c.shared_organizations, c.organization_id, c.date_from,
            c.date_to, c.earlier_days, c.people
        FROM connection_paths.contact_connections AS c
        WHERE c.kind = 'work_overlap' AND (c.contact_a_id = ANY (contact_ids) OR c.contact_b_id = ANY (contact_ids));
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.stored_overlaps(bigint[], boolean) IS 'The work_overlap edges of some contacts, as they are stored';

REVOKE ALL ON FUNCTION connection_paths.stored_overlaps(bigint[], boolean) FROM PUBLIC;
