-- Counts the overlapping pairs of work experiences that make an edge only after today.
--
-- Only organizations with a work experience that starts after today are read. The pairs are counted without a join, as
-- in connection_paths.counted_overlaps: an overlap starts when the later one of the two experiences starts. Where
-- organization_policy requires min_overlap_days days, starts are moved, as there.
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
events AS (
    SELECT
        u.organization_id,
        u.contact_id,
        unnest(ARRAY[u.date_from, u.date_to]) AS day,
        unnest(ARRAY[1, -1]) AS change
    FROM usable AS u
    WHERE u.organization_id IN (SELECT l.organization_id FROM usable AS l WHERE l.date_from > CURRENT_DATE)
        AND u.date_to > CURRENT_DATE
        AND u.date_from <= u.date_to
),
present AS (
    SELECT
        e.day,
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
SELECT COALESCE(sum(p.all_present - p.own_present) FILTER (WHERE p.change = 1 AND p.day > CURRENT_DATE), 0)::bigint
FROM present AS p
