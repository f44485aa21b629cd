-- connection_paths.recount_organizations(max_organizations)
--
-- Counts the people of organizations whose last count is too old.
--
-- Parameters
--     max_organizations  How many organizations to count at most, at least 1. Required.
-- Returns
--     The number of organizations that were counted. 0: every count is new enough.
-- Errors
--     none
-- Reads
--     organization_sizes
-- Writes
--     none
-- Used by
--     sync_changes
-- Why
--     A refresh of a contact counts the organizations where the contact works. It does not see everything that changes
--     a count: the organization that a contact has left, an organization whose headcount has changed, and one of more
--     than 20 people, which it does not count each time. So every organization is also counted once a day.
--
--     The organizations whose count is oldest come first. Rows that another session has locked are skipped. Only an
--     organization whose class changes is queued, with the time when its count became too old. So a sync goes on until
--     the contacts of these organizations are refreshed, too.
CREATE OR REPLACE FUNCTION connection_paths.recount_organizations(max_organizations integer)
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
    counted_before CONSTANT timestamptz := now() - connection_paths.count_is_good_for();
    ids bigint[];
    numbers bigint[];
    due_at timestamptz;
BEGIN
    SELECT array_agg(d.organization_id), array_agg(connection_paths.known_people(d.organization_id)), min(d.due_at)
    INTO ids, numbers, due_at
    FROM (
        SELECT s.organization_id, s.counted_at + connection_paths.count_is_good_for() AS due_at
        FROM connection_paths.organization_sizes AS s
        WHERE s.counted_at <= counted_before
        ORDER BY s.counted_at
        LIMIT recount_organizations.max_organizations
        FOR UPDATE SKIP LOCKED
    ) AS d;
    PERFORM connection_paths.resize_organizations(ids, numbers, due_at);
    RETURN COALESCE(cardinality(ids), 0);
END
$function$;

COMMENT ON FUNCTION connection_paths.recount_organizations(integer) IS 'Counts the people of organizations whose last count is a day old; part of sync_changes';

REVOKE ALL ON FUNCTION connection_paths.recount_organizations(integer) FROM PUBLIC;
