-- connection_paths.hold_starts(contact_ids): schedules contacts for recomputation on the day their next work experience
-- starts.
--
-- An overlap that starts in the future is no edge yet. It starts when the later of its two work experiences does, so it
-- is enough that each contact is recomputed on the days its own start. Whoever computes a contact's edges calls this
-- afterwards. It writes the contact's next such day to due_changes, one row a contact, and only where that row is
-- missing or has a later day. On that day sync_changes queues the contact, and its recomputation holds the day after
-- that.
--
-- The day is the session's current_date, as in possible_overlaps. Sessions in two time zones may differ about it for
-- some hours: each then holds what has not started for itself, and the edge is there when the day has begun for whoever
-- syncs.
--
-- A row whose work experience is gone stays. It costs one recomputation on its day.
--
-- contact_ids  the contacts; NULLs and repetitions do no harm
CREATE OR REPLACE FUNCTION connection_paths.hold_starts(contact_ids bigint[])
RETURNS void
LANGUAGE plpgsql
VOLATILE
PARALLEL UNSAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $function$
BEGIN
    INSERT INTO connection_paths.due_changes AS d (contact_id, due_on)
    SELECT s.contact_id, s.starts_on
    FROM (
        SELECT c.id AS contact_id, e.starts_on
        FROM (SELECT DISTINCT u.id FROM unnest(hold_starts.contact_ids) AS u (id)) AS c
        CROSS JOIN LATERAL (
            SELECT min(w.date_from) AS starts_on
            FROM connection_paths.work_experiences AS w
            WHERE w.contact_id = c.id AND w.date_from > CURRENT_DATE AND w.date_from < 'infinity'::date
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

COMMENT ON FUNCTION connection_paths.hold_starts(bigint[]) IS 'Has contacts recomputed on the day their next work experience starts; part of computing edges';

REVOKE ALL ON FUNCTION connection_paths.hold_starts(bigint[]) FROM PUBLIC;
