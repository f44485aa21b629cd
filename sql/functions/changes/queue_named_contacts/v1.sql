-- connection_paths.queue_named_contacts(max_names)
--
-- Queues the contacts with a work experience whose company name has a changed decision.
--
-- Parameters
--     max_names  How many rows of name_changes to take at most, at least 1. Required.
-- Returns
--     The number of rows of name_changes that were taken.
-- Errors
--     none
-- Reads
--     named_experiences
-- Writes
--     name_changes, contact_changes
-- Used by
--     sync_changes
-- Why
--     Rows that another session has locked are skipped. A queue row keeps the transaction and the time of the decision.
--     The decision is committed before this function looks for the contacts. It may not see a work experience that
--     another transaction is writing. That transaction queues the contact, so sync refreshes it with the decision.
--
--     While company names are not resolved, the view named_experiences does not exist, and decisions make no edges.
CREATE OR REPLACE FUNCTION connection_paths.queue_named_contacts(max_names integer)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $function$
DECLARE
    names text[];
    writers text[];
    times timestamptz[];
BEGIN
    WITH claimed AS (
        DELETE FROM connection_paths.name_changes AS q
        WHERE q.ctid = ANY (ARRAY(
            SELECT c.ctid FROM connection_paths.name_changes AS c LIMIT queue_named_contacts.max_names FOR UPDATE SKIP LOCKED
        ))
        RETURNING q.company_name, q.written_by, q.changed_at
    )
    SELECT array_agg(c.company_name), array_agg(c.written_by::text), array_agg(c.changed_at)
    INTO names, writers, times
    FROM claimed AS c;
    IF names IS NOT NULL AND to_regclass('connection_paths.named_experiences') IS NOT NULL THEN
        INSERT INTO connection_paths.contact_changes (contact_id, written_by, changed_at)
        SELECT e.contact_id, c.written_by::pg_catalog.xid8, c.changed_at
        FROM unnest(names, writers, times) AS c (company_name, written_by, changed_at)
        CROSS JOIN LATERAL (
            SELECT DISTINCT n.contact_id
            FROM connection_paths.named_experiences AS n
            WHERE n.company_name = c.company_name COLLATE "C" AND n.contact_id IS NOT NULL
            OFFSET 0
        ) AS e;
    END IF;
    RETURN COALESCE(cardinality(names), 0);
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_named_contacts(integer) IS 'Queues the contacts with a work experience whose company name has a changed decision; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.queue_named_contacts(integer) FROM PUBLIC;
