-- Draws a random sample of contacts, whose overlaps will be compared with their edges: a row per stratum.
--
-- Parameters: sample, how many contacts to draw; per_stratum, the least to draw in each stratum; most_overlaps, about
-- how many overlaps the sample may have; seed, which makes the sample repeatable.
--
-- Contacts are drawn about in proportion to their overlaps. They are sorted by overlaps and cut into strata with equal
-- sums of overlaps, and the same number is drawn from each. A contact with more overlaps than a drawn contact
-- represents is always taken: stratum 0. Contacts without overlaps have no edges and are not drawn: stratum NULL.
--
-- The edges of each drawn contact are computed later: runs/edges_of_contacts.sql. The time is proportional to its
-- overlaps, which on average are sum(overlaps^2) / sum(overlaps). Where the sample would exceed most_overlaps, fewer
-- contacts are drawn, but never fewer than two strata need.
--
-- stratum            The number of the stratum, 0 or NULL.
-- contacts           How many contacts the stratum has.
-- overlaps           How many overlaps they have together.
-- drawn              The contacts that were drawn.
-- overlaps_of_drawn  How many overlaps each of these has.
WITH loads AS MATERIALIZED (
    SELECT l.contact_id, l.overlaps FROM connection_paths.overlaps_by_contact() AS l
),
wanted AS MATERIALIZED (
    SELECT
        least(
            %(sample)s::bigint,
            greatest(
                2 * %(per_stratum)s::bigint,
                trunc(
                    %(most_overlaps)s::bigint * sum(l.overlaps::numeric) / sum(l.overlaps::numeric * l.overlaps)
                )::bigint
            )
        ) AS sample
    FROM loads AS l
    WHERE l.overlaps > 0
),
ranked AS (
    SELECT
        l.contact_id,
        l.overlaps,
        row_number() OVER heaviest_first AS place,
        sum(l.overlaps) OVER (heaviest_first ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS not_heavier
    FROM loads AS l
    WHERE l.overlaps > 0
    WINDOW heaviest_first AS (ORDER BY l.overlaps DESC, l.contact_id)
),
taken AS MATERIALIZED (
    SELECT
        r.contact_id,
        r.overlaps,
        r.not_heavier,
        -- The contact has at least as many overlaps as each contact that is still to be drawn represents.
        r.overlaps * (w.sample - r.place + 1) >= r.not_heavier AS for_certain
    FROM ranked AS r
    CROSS JOIN wanted AS w
),
remaining AS MATERIALIZED (
    SELECT
        greatest(
            (SELECT w.sample FROM wanted AS w) - count(*) FILTER (WHERE t.for_certain), %(per_stratum)s::bigint
        ) AS draws,
        max(t.not_heavier) FILTER (WHERE NOT t.for_certain) AS overlaps
    FROM taken AS t
),
strata AS (
    SELECT
        t.contact_id,
        t.overlaps,
        CASE WHEN NOT t.for_certain THEN
            1 + trunc((m.overlaps - t.not_heavier) * m.strata / m.overlaps)::bigint
        ELSE 0
        END AS stratum,
        m.draws / m.strata AS draws
    FROM taken AS t
    CROSS JOIN (
        SELECT r.draws, r.overlaps, r.draws / %(per_stratum)s::bigint AS strata FROM remaining AS r
    ) AS m
),
numbered AS (
    SELECT
        s.stratum,
        s.contact_id,
        s.overlaps,
        s.draws,
        row_number() OVER (
            PARTITION BY s.stratum ORDER BY hashint8extended(s.contact_id, %(seed)s::bigint), s.contact_id
        ) AS draw
    FROM strata AS s
)
SELECT
    n.stratum,
    count(*) AS contacts,
    sum(n.overlaps)::bigint AS overlaps,
    array_agg(n.contact_id) FILTER (WHERE n.stratum = 0 OR n.draw <= n.draws) AS drawn,
    array_agg(n.overlaps) FILTER (WHERE n.stratum = 0 OR n.draw <= n.draws) AS overlaps_of_drawn
FROM numbered AS n
GROUP BY n.stratum
UNION ALL
SELECT NULL, count(*), 0, NULL, NULL
FROM loads AS l
WHERE l.overlaps = 0
HAVING count(*) > 0
ORDER BY stratum
