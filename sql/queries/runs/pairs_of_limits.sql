-- Counts how many overlapping pairs of an organization have at least so many days: a row for each number of days.
--
-- Parameters: organization_id; days, an array. The pairs are counted as in connection_paths.counted_overlaps. For each
-- number of days, the starts are moved as in connection_paths.possible_overlaps.
WITH started AS (
    SELECT d.days, e.contact_id, e.date_from + d.days - 1 AS date_from, COALESCE(e.date_to, 'infinity'::date) AS date_to
    FROM unnest(%(days)s::integer[]) AS d (days)
    CROSS JOIN connection_paths.employments AS e
    WHERE e.organization_id = %(organization_id)s
        AND e.date_from <= CURRENT_DATE - (d.days - 1)
        AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = e.contact_id)
),
events AS (
    SELECT s.days, s.contact_id, s.date_from AS day, false AS is_last FROM started AS s WHERE s.date_from <= s.date_to
    UNION ALL
    SELECT s.days, s.contact_id, s.date_to, true FROM started AS s WHERE s.date_from <= s.date_to
),
numbered AS (
    SELECT
        e.days,
        e.is_last,
        count(*) FILTER (WHERE NOT e.is_last) OVER of_all AS firsts,
        count(*) FILTER (WHERE e.is_last) OVER of_all AS lasts,
        count(*) FILTER (WHERE NOT e.is_last) OVER of_own AS own_firsts,
        count(*) FILTER (WHERE e.is_last) OVER of_own AS own_lasts
    FROM events AS e
    WINDOW
        of_all AS (PARTITION BY e.days ORDER BY e.day, e.is_last ROWS UNBOUNDED PRECEDING),
        of_own AS (PARTITION BY e.days, e.contact_id ORDER BY e.day, e.is_last ROWS UNBOUNDED PRECEDING)
)
-- an experience makes a pair with each one of others that has started and has not ended when it starts
SELECT n.days, sum((n.firsts - n.lasts) - (n.own_firsts - n.own_lasts))::bigint AS pairs
FROM numbered AS n
WHERE NOT n.is_last
GROUP BY n.days
ORDER BY n.days
