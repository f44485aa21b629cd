-- connection_paths.edges_from_experiences(contact_id)
--
-- Computes the edges of a contact from work experiences, for a search that does not read the edge table.
--
-- Parameters
--     contact_id  The contact. NULL or unknown: an empty array.
-- Returns
--     An array with one edge per colleague.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     find_paths, legacy_finder
-- Why
--     The finders forbid nested loops and sorts in their own statements. The overlaps of work experiences need
--     both, so this function has settings of its own.
CREATE OR REPLACE FUNCTION connection_paths.edges_from_experiences(contact_id bigint)
RETURNS connection_paths.edge_details[]
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_seqscan = off
SET enable_nestloop = on
SET enable_sort = on
SET enable_incremental_sort = on
AS $function$
BEGIN
    RETURN ARRAY(
        SELECT ROW(
            w.neighbour_id, 'work_overlap', w.strength, w.shared_organizations, w.organization_id, w.date_from,
            w.date_to, w.earlier_days, w.people
        )::connection_paths.edge_details
        FROM connection_paths.work_overlaps(edges_from_experiences.contact_id) AS w
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.edges_from_experiences(bigint) IS 'The edges that a contact''s work experiences make, for a search without the edge table';

REVOKE ALL ON FUNCTION connection_paths.edges_from_experiences(bigint) FROM PUBLIC;
