-- Returns the organizations with the most people, and how many overlapping pairs each has. Parameter: most, how many.
--
-- A contact whose experience begins in the future counts as one of the people, but has no pairs.
WITH largest AS MATERIALIZED (
    SELECT e.organization_id, count(DISTINCT e.contact_id) AS people
    FROM connection_paths.employments AS e
    WHERE EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = e.organization_id)
        AND EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = e.contact_id)
    GROUP BY e.organization_id
    ORDER BY people DESC, e.organization_id
    LIMIT %(most)s
),
counted AS (
    SELECT c.organization_id, sum(c.overlaps) AS overlaps
    FROM connection_paths.counted_overlaps() AS c
    WHERE c.organization_id = ANY (ARRAY(SELECT l.organization_id FROM largest AS l))
    GROUP BY c.organization_id
)
SELECT
    l.organization_id AS id,
    (SELECT min(o.name) FROM connection_paths.live_organizations AS o WHERE o.id = l.organization_id) AS name,
    l.people,
    (c.overlaps / 2)::bigint AS pairs
FROM largest AS l
JOIN counted AS c ON c.organization_id = l.organization_id
ORDER BY l.people DESC, l.organization_id
