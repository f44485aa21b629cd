-- connection_paths.schedule_refreshes(contact_ids)
--
-- Schedules a refresh of each contact for the day when its next work experience starts to count.
--
-- Parameters
--     contact_ids  The contacts. NULL elements and repeated elements are ignored.
-- Returns
--     Nothing.
-- Errors
--     none
-- Reads
--     employments, organization_policy, due_changes
-- Writes
--     due_changes
-- Used by
--     rebuild_range, write_edges
-- Why
--     An overlap that starts in the future is no edge yet. It starts when the later of its two work experiences starts.
--     So it is enough to refresh each contact on the days when its own work experiences start. Every function that
--     computes edges calls this function afterwards. It writes at most one row for a contact, and only when the row is
--     missing or has a later day. On that day sync_changes queues the contact, and the refresh schedules the next day.
--
--     Where organization_policy requires min_overlap_days days, an overlap that goes on becomes long enough some days
--     after its start. The day depends only on the later of its two work experiences: its start plus the required
--     days. So that day counts as the start of the work experience.
--
--     The day is CURRENT_DATE of the session, as in possible_overlaps. Sessions in two time zones may have different
--     days for some hours. Then each session schedules what has not started on its own day. The edge exists when the
--     day has begun in the time zone of the session that runs sync_changes.
--
--     A row stays when its work experience is deleted. It costs one unnecessary refresh.
CREATE OR REPLACE FUNCTION connection_paths.schedule_refreshes(contact_ids bigint[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $function$
DECLARE
    -- a variable: in the statement, the function would be called for each work experience
    begun_before CONSTANT date := CURRENT_DATE - connection_paths.longest_wait();
BEGIN
    INSERT INTO connection_paths.due_changes AS d (contact_id, due_on)
    SELECT s.contact_id, s.starts_on
    FROM (
        SELECT c.id AS contact_id, e.starts_on
        FROM (SELECT DISTINCT u.id FROM unnest(schedule_refreshes.contact_ids) AS u (id)) AS c
        CROSS JOIN LATERAL (
            SELECT min(w.date_from + COALESCE(p.min_overlap_days - 1, 0)) AS starts_on
            FROM connection_paths.employments AS w
            LEFT JOIN connection_paths.organization_policy AS p ON p.organization_id = w.organization_id
            WHERE w.contact_id = c.id
                -- only experiences that begin late enough need the look-up of the policy
                AND w.date_from > begun_before
                AND w.date_from < '1000000-01-01'::date
                AND w.date_from + COALESCE(p.min_overlap_days - 1, 0) > CURRENT_DATE
            OFFSET 0
        ) AS e
        WHERE e.starts_on IS NOT NULL
    ) AS s
    WHERE NOT EXISTS (
        SELECT FROM connection_paths.due_changes AS h WHERE h.contact_id = s.contact_id AND h.due_on <= s.starts_on
    )
    ORDER BY s.contact_id
    ON CONFLICT (contact_id) DO UPDATE SET due_on = LEAST(d.due_on, excluded.due_on);
END
$function$;

COMMENT ON FUNCTION connection_paths.schedule_refreshes(bigint[]) IS 'Schedules a refresh of contacts for the day when their next work experience starts to count';

REVOKE ALL ON FUNCTION connection_paths.schedule_refreshes(bigint[]) FROM PUBLIC;
