-- connection_paths.next_overlaps(contact_ids)
--
-- Gives the edges of some contacts in the table of a rebuild.
--
-- Parameters
--     contact_ids  The contacts. Required.
-- Returns
--     One row per work_overlap edge whose smaller contact id is in contact_ids.
--     contact_a_id, contact_b_id, shared_organizations, organization_id, date_from, date_to, earlier_days, people
-- Errors
--     42P01  contact_connections_next does not exist.
-- Reads
--     contact_connections_next
-- Writes
--     none
-- Used by
--     sql/queries/rebuild/rebuild_problems.sql
-- Why
--     A function and not a part of the query: where Citus distributes the table, it cannot plan one statement that also
--     computes edges.
CREATE OR REPLACE FUNCTION connection_paths.next_overlaps(contact_ids bigint[])
RETURNS TABLE (
    contact_a_id bigint,
    contact_b_id bigint,
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
AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT n.contact_a_id, n.contact_b_id, n.shared_organizations, n.organization_id, n.date_from, n.date_to,
        n.earlier_days, n.people
    FROM connection_paths.contact_connections_next AS n
    WHERE n.contact_a_id = ANY (contact_ids) AND n.kind = 'work_overlap';
END
$function$;

COMMENT ON FUNCTION connection_paths.next_overlaps(bigint[]) IS 'The edges of some contacts in the table of a rebuild';

REVOKE ALL ON FUNCTION connection_paths.next_overlaps(bigint[]) FROM PUBLIC;
