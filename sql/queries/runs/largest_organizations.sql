-- Returns the organizations with the most people, and how many overlapping pairs each has. Parameter: most, how many.
--
-- The pairs are counted without a join, as in connection_paths.overlaps_by_contact. A work experience that begins on
-- some day overlaps all experiences at the organization that have begun by then and have not ended, except those of the
-- same contact. A contact whose experience begins in the future counts as one of the people, but has no pairs. Where
-- organization_policy requires min_overlap_days days, starts are moved, as in connection_paths.overlaps_by_contact.
WITH usable AS NOT MATERIALIZED (
    SELECT
        e.organization_id,
        e.contact_id,
        LEAST(e.date_from, '1000000-01-01'::date) + COALESCE(p.min_overlap_days - 1, 0) AS date_from,
        COALESCE(e.date_to, 'infinity'::date) AS date_to
    FROM connection_paths.employments AS e
    LEFT JOIN connection_paths.organization_policy AS p ON p.organization_id = e.organization_id
    WHERE EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = e.organization_id)
        AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = e.contact_id)
),
largest AS MATERIALIZED (
    SELECT u.organization_id, count(DISTINCT u.contact_id) AS people
    FROM usable AS u
    GROUP BY u.organization_id
    ORDER BY people DESC, u.organization_id
    LIMIT %(most)s
),
events AS (
    SELECT
        u.organization_id,
        u.contact_id,
        unnest(ARRAY[u.date_from, u.date_to]) AS day,
        unnest(ARRAY[1, -1]) AS change
    FROM usable AS u
    WHERE u.organization_id = ANY (ARRAY(SELECT l.organization_id FROM largest AS l))
        AND u.date_from <= CURRENT_DATE
        AND u.date_from <= u.date_to
),
present AS (
    SELECT
        e.organization_id,
        e.change,
        -- An experience that ends on a day overlaps one that begins on that day.
        sum(e.change) OVER (
            PARTITION BY e.organization_id
            ORDER BY e.day, e.change DESC ROWS UNBOUNDED PRECEDING
        ) AS all_present,
        sum(e.change) OVER (
            PARTITION BY e.organization_id, e.contact_id
            ORDER BY e.day, e.change DESC ROWS UNBOUNDED PRECEDING
        ) AS own_present
    FROM events AS e
)
SELECT
    l.organization_id AS id,
    (SELECT min(o.name) FROM connection_paths.live_organizations AS o WHERE o.id = l.organization_id) AS name,
    l.people,
    COALESCE(sum(p.all_present - p.own_present) FILTER (WHERE p.change = 1), 0)::bigint AS pairs
FROM largest AS l
LEFT JOIN present AS p ON p.organization_id = l.organization_id
GROUP BY l.organization_id, l.people
ORDER BY l.people DESC, l.organization_id
