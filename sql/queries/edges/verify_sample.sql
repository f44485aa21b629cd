-- The contacts whose edges verify compares.
--
-- Parameters: each (how many of a stratum), seed (another seed gives other contacts).
-- heavy, middle, light   the contacts with the most, with fewer and with the fewest overlaps; each of these strata has
--                        a third of all overlaps that overlaps_by_contact counts
-- alone                  contacts that exist and have no overlaps
-- edge end               contacts that are the smaller end of an edge; those without overlaps come first
WITH loads AS MATERIALIZED (
    SELECT
        l.contact_id,
        sum(l.overlaps) OVER (ORDER BY l.overlaps DESC, l.contact_id) - l.overlaps AS before,
        sum(l.overlaps) OVER () AS total
    FROM connection_paths.overlaps_by_contact() AS l
    WHERE l.overlaps > 0
),
strata AS (
    SELECT
        CASE floor(3 * l.before / l.total) WHEN 0 THEN 'heavy' WHEN 1 THEN 'middle' ELSE 'light' END AS stratum,
        l.contact_id,
        false AS is_first
    FROM loads AS l
    UNION ALL
    SELECT 'alone', c.id, false
    FROM connection_paths.live_contacts AS c
    WHERE c.id IS NOT NULL -- a mapping may read the id from a text that is no number
        AND NOT EXISTS (SELECT FROM loads AS l WHERE l.contact_id = c.id)
    UNION ALL
    SELECT 'edge end', e.contact_id, NOT EXISTS (SELECT FROM loads AS l WHERE l.contact_id = e.contact_id)
    FROM connection_paths.edge_ends() AS e
),
numbered AS (
    SELECT
        s.stratum,
        s.contact_id,
        row_number() OVER (
            PARTITION BY s.stratum
            ORDER BY s.is_first DESC, hashint8extended(s.contact_id, %(seed)s)
        ) AS number
    FROM strata AS s
)
SELECT n.stratum, n.contact_id
FROM numbered AS n
WHERE n.number <= %(each)s
ORDER BY n.stratum, n.number
