-- connection_paths.insert_edges_of(above_contact_id, upto_contact_id): a batch of a rebuild.
--
-- Inserts into contact_connections_next every edge whose smaller end is above one id and not above the other. Each
-- pair belongs to one batch, so batches never write the same row, and nothing is compared: the table has no index yet.
--
-- That the greater end exists is not looked up edge by edge, as work_overlaps does, which would take half the time of
-- a rebuild: who has work experiences and does not exist was noted when the rebuild was prepared, and carry_edges sees
-- who has come or gone since.
--
-- above_contact_id, upto_contact_id  the range, (above, upto]; NULL is no bound
-- Returns                            how many rows were inserted.
--
-- Raises what require_sources raises.
CREATE OR REPLACE FUNCTION connection_paths.insert_edges_of(above_contact_id bigint, upto_contact_id bigint)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET jit = off
AS $function$
DECLARE
    inserted bigint;
BEGIN
    PERFORM connection_paths.require_sources();
    INSERT INTO connection_paths.contact_connections_next
        (contact_a_id, contact_b_id, kind, organization_id, date_from, date_to)
    SELECT c.id, w.neighbour_id, 'work_overlap', w.organization_id, w.date_from, w.date_to
    FROM connection_paths.live_contacts AS c
    CROSS JOIN LATERAL connection_paths.possible_overlaps(c.id, neighbours_from => c.id) AS w
    WHERE w.neighbour_id NOT IN (SELECT m.contact_id FROM connection_paths.rebuild_missing_contacts AS m)
        AND (insert_edges_of.above_contact_id IS NULL OR c.id > insert_edges_of.above_contact_id)
        AND (insert_edges_of.upto_contact_id IS NULL OR c.id <= insert_edges_of.upto_contact_id);

    GET DIAGNOSTICS inserted = ROW_COUNT;
    RETURN inserted;
END
$function$;

COMMENT ON FUNCTION connection_paths.insert_edges_of(bigint, bigint) IS 'A batch of a rebuild: the edges whose smaller end is in a range of contact ids, into contact_connections_next';

REVOKE ALL ON FUNCTION connection_paths.insert_edges_of(bigint, bigint) FROM PUBLIC;
