-- Returns what some organizations add: their overlapping pairs, and the share of paths that use one of these pairs.
--
-- Parameter: organization_ids. They have no policy.
--
-- The pairs are counted for each organization and contact as in connection_paths.overlaps_by_contact. A path of three
-- contacts has two edges, which meet at the contact in the middle. A contact with d overlaps is in the middle of about
-- d * (d - 1) such paths. If j of the overlaps are at an organization, (d - j) * (d - j - 1) of the paths do not need
-- it.
WITH started AS NOT MATERIALIZED (
    SELECT e.organization_id, e.contact_id, e.date_from, COALESCE(e.date_to, 'infinity'::date) AS date_to
    FROM connection_paths.employments AS e
    WHERE e.organization_id = ANY (%(organization_ids)s::bigint[])
        AND e.date_from <= CURRENT_DATE
        AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = e.contact_id)
),
events AS (
    SELECT s.organization_id, s.contact_id, s.date_from AS day, false AS is_last FROM started AS s
    UNION ALL
    SELECT s.organization_id, s.contact_id, s.date_to, true FROM started AS s
),
numbered AS (
    SELECT
        e.organization_id,
        e.contact_id,
        e.is_last,
        row_number() OVER of_all AS events,
        count(*) FILTER (WHERE NOT e.is_last) OVER of_all AS firsts,
        row_number() OVER of_own AS own_events,
        count(*) FILTER (WHERE NOT e.is_last) OVER of_own AS own_firsts
    FROM events AS e
    WINDOW
        of_all AS (PARTITION BY e.organization_id ORDER BY e.day, e.is_last ROWS UNBOUNDED PRECEDING),
        of_own AS (PARTITION BY e.organization_id, e.contact_id ORDER BY e.day, e.is_last ROWS UNBOUNDED PRECEDING)
),
here AS (
    SELECT
        n.organization_id,
        n.contact_id,
        sum(
            CASE
                WHEN n.is_last THEN n.firsts - n.own_firsts
                ELSE (n.firsts - n.events) - (n.own_firsts - n.own_events)
            END
        )::double precision AS overlaps
    FROM numbered AS n
    GROUP BY n.organization_id, n.contact_id
),
loads AS MATERIALIZED (
    SELECT l.contact_id, l.overlaps::double precision AS overlaps
    FROM connection_paths.overlaps_by_contact() AS l
    WHERE l.overlaps > 0
),
total AS (
    SELECT sum(l.overlaps) AS overlaps, sum(l.overlaps * (l.overlaps - 1)) AS paths FROM loads AS l
)
SELECT
    h.organization_id AS id,
    (sum(h.overlaps) / 2)::bigint AS pairs,
    COALESCE(sum(h.overlaps) / NULLIF(min(t.overlaps), 0), 0) AS share_of_pairs,
    COALESCE(
        sum(h.overlaps * (2 * l.overlaps - h.overlaps - 1)) / NULLIF(min(t.paths), 0), 0
    ) AS share_of_paths
FROM here AS h
JOIN loads AS l ON l.contact_id = h.contact_id
CROSS JOIN total AS t
GROUP BY h.organization_id
ORDER BY pairs DESC, h.organization_id
