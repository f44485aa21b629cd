-- connection_paths.overlaps_by_contact()
--
-- Counts the overlaps of each contact, for all contacts at once.
--
-- Parameters
--     none
-- Returns
--     One row for each contact that exists and has a usable work experience at an organization that exists.
--     contact_id  The contact.
--     overlaps    The number of overlaps of its work experiences. The contact has at most as many edges, because one
--                 edge can come from several overlaps.
-- Errors
--     none
-- Reads
--     employments, live_organizations, organization_policy, live_contacts
-- Writes
--     none
-- Used by
--     sql/queries/edges/verify_sample.sql, sql/queries/runs/all_pairs.sql,
--     sql/queries/runs/organization_costs.sql, sql/queries/runs/sample_overlaps.sql
-- Why
--     An overlap is a pair of usable work experiences of two contacts at the same organization that share at least one
--     day. Both contacts and the organization exist, and both experiences start today or earlier. Half of the sum of
--     all rows is the number of overlaps.
--
--     The function does not join work experiences with each other, because a large organization has billions of pairs.
--     It sorts the first and the last days of the experiences of each organization; of equal days, first days come
--     before last days. The experiences that overlap a given one are those that start on its last day or earlier, minus
--     those that end before its first day. Both numbers are running counts over the sorted days.
--
--     Where organization_policy requires min_overlap_days days, the start of each experience is moved by the required
--     days after the first one: see possible_overlaps.
--
--     These counts include the experience itself and other experiences of the same contact at the organization. They
--     are subtracted again. A second pass does that for the few contacts with experiences that overlap each other: it
--     sorts the days of each such contact alone.
--
--     PostgreSQL inlines this function into the calling query and plans both together. With 3.1 million work
--     experiences, 1.6 million of them usable, it takes about 5 s on two cores. The second pass takes a fifth of that.
--     64 MB of work_mem are not faster than 4 MB.
CREATE OR REPLACE FUNCTION connection_paths.overlaps_by_contact()
RETURNS TABLE (contact_id bigint, overlaps bigint)
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
    ),
    started AS NOT MATERIALIZED (
        SELECT m.contact_id, m.organization_id, m.date_from, m.date_to
        FROM moved AS m
        WHERE m.date_from <= CURRENT_DATE AND m.date_from <= m.date_to
    ),
    usable AS NOT MATERIALIZED (
        SELECT m.contact_id, m.organization_id, m.date_from, m.date_to
        FROM started AS m
        WHERE EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = m.organization_id)
            AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = m.contact_id)
    ),
    events AS (
        SELECT u.contact_id, u.organization_id, u.date_from AS day, false AS is_last FROM usable AS u
        UNION ALL
        SELECT u.contact_id, u.organization_id, u.date_to, true FROM usable AS u
    ),
    numbered AS (
        SELECT
            e.contact_id,
            e.is_last,
            row_number() OVER so_far AS events,
            count(*) FILTER (WHERE NOT e.is_last) OVER so_far AS firsts
        FROM events AS e
        WINDOW so_far AS (PARTITION BY e.organization_id ORDER BY e.day, e.is_last ROWS UNBOUNDED PRECEDING)
    ),
    stints AS (
        SELECT
            e.contact_id,
            e.organization_id,
            e.date_from,
            max(e.date_to) OVER (
                PARTITION BY e.contact_id, e.organization_id
                ORDER BY e.date_from
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS earlier_end
        FROM started AS e
    ),
    own_events AS (
        SELECT
            e.contact_id,
            ends.is_last,
            row_number() OVER so_far AS events,
            count(*) FILTER (WHERE NOT ends.is_last) OVER so_far AS firsts
        FROM (SELECT DISTINCT s.contact_id, s.organization_id FROM stints AS s WHERE s.date_from <= s.earlier_end) AS s
        JOIN started AS e ON e.contact_id = s.contact_id AND e.organization_id = s.organization_id
        CROSS JOIN LATERAL (VALUES (e.date_from, false), (e.date_to, true)) AS ends (day, is_last)
        WHERE EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = s.organization_id)
            AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = s.contact_id)
        WINDOW so_far AS (
            PARTITION BY e.contact_id, e.organization_id ORDER BY ends.day, ends.is_last ROWS UNBOUNDED PRECEDING
        )
    )
    SELECT part.contact_id, sum(part.overlaps)::bigint
    FROM (
        SELECT n.contact_id, CASE WHEN n.is_last THEN n.firsts - 1 ELSE n.firsts - n.events END AS overlaps
        FROM numbered AS n
        UNION ALL
        SELECT o.contact_id, CASE WHEN o.is_last THEN 1 - o.firsts ELSE o.events - o.firsts END
        FROM own_events AS o
        UNION ALL
        -- contacts without an overlap, because no experience of theirs has started or is long enough
        SELECT m.contact_id, 0
        FROM moved AS m
        WHERE (m.date_from > CURRENT_DATE OR m.date_from > m.date_to)
            AND EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = m.organization_id)
            AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = m.contact_id)
    ) AS part
    GROUP BY part.contact_id;
END;

COMMENT ON FUNCTION connection_paths.overlaps_by_contact() IS 'How many overlaps each contact has: an upper bound of its edges; half the sum is the number of overlapping pairs';

REVOKE ALL ON FUNCTION connection_paths.overlaps_by_contact() FROM PUBLIC;
