CREATE OR REPLACE FUNCTION connection_paths.edges_from_experiences(contact_id bigint)
RETURNS connection_paths.given_edge[]
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_seqscan = off
SET enable_nestloop = on
SET enable_sort = on
AS $function$
BEGIN
    RETURN ARRAY(
        SELECT ROW(w.neighbour_id, w.organization_id, w.date_from, w.date_to)::connection_paths.given_edge
        FROM connection_paths.work_overlaps(edges_from_experiences.contact_id) AS w
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.edges_from_experiences(bigint) IS 'The edges that a contact''s work experiences make, for a search without the edge table';

REVOKE ALL ON FUNCTION connection_paths.edges_from_experiences(bigint) FROM PUBLIC;
