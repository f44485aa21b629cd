-- Returns what some organizations add: their overlapping pairs, and the share of paths that use one of these pairs.
--
-- Parameter: organization_ids. They have no policy.
--
-- A path of three contacts has two edges, which meet at the contact in the middle. A contact with d overlaps is in the
-- middle of about d * (d - 1) such paths. If j of the overlaps are at an organization, (d - j) * (d - j - 1) of the
-- paths do not need it.
WITH here AS (
    SELECT c.organization_id, c.contact_id, sum(c.overlaps)::double precision AS overlaps
    FROM connection_paths.counted_overlaps() AS c
    WHERE c.organization_id = ANY (%(organization_ids)s::bigint[])
    GROUP BY c.organization_id, c.contact_id
),
loads AS MATERIALIZED (
    SELECT l.contact_id, l.overlaps::double precision AS overlaps
    FROM connection_paths.overlaps_by_contact() AS l
    WHERE l.overlaps > 0
),
total AS MATERIALIZED (
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
