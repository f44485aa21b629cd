-- connection_paths.queue_policy_changes()
--
-- Trigger function that queues the organizations whose policy a statement changed.
--
-- Parameters
--     none
-- Returns
--     NULL, which PostgreSQL ignores.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     contact_changes
-- Used by
--     trigger on organization_policy
-- Why
--     The policy and its queue row are committed together or not at all. sync_changes then refreshes the contacts that
--     worked at the organization. An UPDATE that changes neither the rule nor the days queues nothing. TRUNCATE queues
--     every contact.
--     SECURITY DEFINER: a role that may write organization_policy needs no other right.
CREATE OR REPLACE FUNCTION connection_paths.queue_policy_changes()
RETURNS trigger
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    ids bigint[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        ids := ARRAY(SELECT n.organization_id FROM new_rows AS n);
    ELSIF TG_OP = 'DELETE' THEN
        ids := ARRAY(SELECT o.organization_id FROM old_rows AS o);
    ELSIF TG_OP = 'UPDATE' THEN
        ids := ARRAY(
            SELECT DISTINCT s.organization_id
            FROM (
                SELECT n.organization_id, n.rule, n.min_overlap_days, 1 AS more FROM new_rows AS n
                UNION ALL
                SELECT o.organization_id, o.rule, o.min_overlap_days, -1 FROM old_rows AS o
            ) AS s
            GROUP BY s.organization_id, s.rule, s.min_overlap_days
            HAVING sum(s.more) <> 0
        );
    ELSE
        ids := ARRAY[NULL]::bigint[]; -- every contact
    END IF;
    IF cardinality(ids) > 0 THEN
        INSERT INTO connection_paths.contact_changes (organization_id) SELECT c.id FROM unnest(ids) AS c (id);
        PERFORM connection_paths.wake_listener();
    END IF;
    RETURN NULL;
END
$function$;

COMMENT ON FUNCTION connection_paths.queue_policy_changes() IS 'Trigger: queues the organizations whose policy a statement changed';

REVOKE ALL ON FUNCTION connection_paths.queue_policy_changes() FROM PUBLIC;
