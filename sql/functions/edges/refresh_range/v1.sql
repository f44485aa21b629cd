-- connection_paths.refresh_range(above_contact_id, upto_contact_id)
--
-- Refreshes the work_overlap edges whose smaller contact id is in a range: one batch of an in-place backfill.
--
-- Parameters
--     above_contact_id  The range begins above this id. NULL: no lower bound.
--     upto_contact_id   The range ends with this id. NULL: no upper bound.
-- Returns
--     The number of rows of contact_connections that were inserted, updated or deleted.
-- Errors
--     25001  The transaction is not READ COMMITTED.
--     CP010  A table of the application is detached.
--     CP011  Citus manages a table of the application or of the package.
--     CP012  Row-level security may hide rows of the application's tables from the current role.
-- Reads
--     none
-- Writes
--     none
-- Used by
--     do_batch, sql/queries/runs/try_empty_batch.sql
-- Why
--     write_edges does the work. Every pair of contacts belongs to one batch of a run, so two batches never write the
--     same row. A sync at the same time may write the same row; then one of the two sessions waits.
CREATE OR REPLACE FUNCTION connection_paths.refresh_range(above_contact_id bigint, upto_contact_id bigint)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off
SET jit = off
AS $function$
BEGIN
    RETURN connection_paths.write_edges(
        ARRAY(
            SELECT c.contact_id
            FROM connection_paths.contacts_to_refresh(
                refresh_range.above_contact_id, refresh_range.upto_contact_id
            ) AS c
        ),
        smaller_ends_only => true
    );
END
$function$;

COMMENT ON FUNCTION connection_paths.refresh_range(bigint, bigint) IS 'A batch of an in-place backfill: refreshes the edges whose smaller end is in a range of contact ids';

REVOKE ALL ON FUNCTION connection_paths.refresh_range(bigint, bigint) FROM PUBLIC;
