-- connection_paths.counted_overlaps()
--
-- Returns numbers whose sum, for a contact at an organization, is the number of overlaps of the contact there.
--
-- Parameters
--     none
-- Returns
--     Some rows for each contact that exists and has a usable work experience at an organization that exists.
--     organization_id  The organization.
--     contact_id       The contact.
--     overlaps         A part of the number. The sum over all rows of a contact at an organization is the number of
--                      overlaps of the contact there. A single row may be negative.
-- Errors
--     none
-- Reads
--     employments, live_organizations, organization_policy, live_contacts
-- Writes
--     none
-- Used by
--     overlaps_by_contact, sql/queries/runs/largest_organizations.sql, sql/queries/runs/organization_costs.sql
-- Why
--     An overlap is a pair of usable work experiences of two contacts at the same organization that share at least one
--     day. Both contacts and the organization exist, and both experiences start today or earlier. Half of the sum of
--     all rows is the number of overlaps.
--
--     The function does not join work experiences with each other, because a large organization has billions of pairs.
--     It sorts the first and the last days of the experiences of each organization; of equal days, first days come
--     before last days. The experiences that overlap a given one are those that start on its last day or earlier, minus
--     those that end before its first day. Both numbers are running counts over the sorted days. Running counts over
--     the days of the contact alone are subtracted, because a contact does not overlap with itself.
--
--     Where organization_policy requires min_overlap_days days, the start of each experience is moved by the required
--     days after the first one: see possible_overlaps.
--
--     PostgreSQL inlines this function into the calling query and plans both together. It applies a condition on
--     organization_id before it counts. With 3.1 million usable work experiences, all organizations take 5.6 s of
--     processor time.
CREATE OR REPLACE FUNCTION connection_paths.counted_overlaps()
RETURNS TABLE (organization_id bigint, contact_id bigint, overlaps bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100000
BEGIN ATOMIC
    WITH moved AS NOT MATERIALIZED (
        SELECT
            e.contact_id,
            e.organization_id,
            -- LEAST: a date near the last possible one cannot be moved
            CASE
                WHEN e.organization_id IN (
                    SELECT p.organization_id
                    FROM connection_paths.organization_policy AS p
                    WHERE p.rule = 'long_overlaps'
                ) THEN LEAST(e.date_from, '1000000-01-01'::date) + (
                    SELECT p.min_overlap_days - 1
                    FROM connection_paths.organization_policy AS p
                    WHERE p.organization_id = e.organization_id
                )
                ELSE e.date_from
            END AS date_from,
            COALESCE(e.date_to, 'infinity'::date) AS date_to
        FROM connection_paths.employments AS e
        WHERE EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = e.organization_id)
            AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = e.contact_id)
    ),
    started AS NOT MATERIALIZED (
        SELECT m.contact_id, m.organization_id, m.date_from, m.date_to
        FROM moved AS m
        WHERE m.date_from <= CURRENT_DATE AND m.date_from <= m.date_to
    ),
    events AS (
        SELECT s.contact_id, s.organization_id, s.date_from AS day, false AS is_last FROM started AS s
        UNION ALL
        SELECT s.contact_id, s.organization_id, s.date_to, true FROM started AS s
    ),
    numbered AS (
        SELECT
            e.contact_id,
            e.organization_id,
            e.is_last,
            row_number() OVER of_all - row_number() OVER of_own AS events,
            count(*) FILTER (WHERE NOT e.is_last) OVER of_all
                - count(*) FILTER (WHERE NOT e.is_last) OVER of_own AS firsts
        FROM events AS e
        WINDOW
            of_all AS (PARTITION BY e.organization_id ORDER BY e.day, e.is_last ROWS UNBOUNDED PRECEDING),
            of_own AS (
                PARTITION BY e.organization_id, e.contact_id ORDER BY e.day, e.is_last ROWS UNBOUNDED PRECEDING
            )
    )
    SELECT n.organization_id, n.contact_id, CASE WHEN n.is_last THEN n.firsts ELSE n.firsts - n.events END
    FROM numbered AS n
    UNION ALL
    -- experiences without an overlap, because they have not started or are not long enough
    SELECT m.organization_id, m.contact_id, 0
    FROM moved AS m
    WHERE m.date_from > CURRENT_DATE OR m.date_from > m.date_to;
END;

COMMENT ON FUNCTION connection_paths.counted_overlaps() IS 'Numbers whose sum, for a contact at an organization, is the number of its overlaps there; part of overlaps_by_contact';

REVOKE ALL ON FUNCTION connection_paths.counted_overlaps() FROM PUBLIC;
