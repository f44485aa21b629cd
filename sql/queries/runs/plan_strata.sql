-- A random sample of contacts, and how far their overlaps exceed their edges; a row per stratum.
-- Parameters: sample (how many contacts), per_stratum (at least so many of them in each stratum), most_overlaps, seed.
--
-- The edges of a drawn contact are computed, which takes time in proportion to its overlaps. Because contacts are drawn
-- in proportion to them, a drawn contact has sum(overlaps^2) / sum(overlaps) of them on average. So fewer contacts are
-- drawn where the sample would have more than most_overlaps, but never fewer than two strata's.
--
-- Contacts are drawn in proportion to their overlaps, or nearly so: in order of overlaps, cut into strata that hold
-- equal numbers of overlaps, as many contacts drawn from each. The heaviest, who alone hold as much as a drawn contact
-- stands for, are all taken: stratum 0. Contacts without overlaps lose nothing and are not drawn: stratum NULL.
-- Same data and same seed, same sample.
--
-- stratum        see above
-- contacts       in the stratum
-- overlaps       of them together
-- sampled        how many contacts were drawn
-- mean_loss      overlaps less edges, of a drawn contact
-- loss_variance  how much that varies among them (squared)
WITH loads AS MATERIALIZED (
    SELECT l.contact_id, l.overlaps FROM connection_paths.contact_loads() AS l
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
        -- he holds as much as one of the contacts still to be drawn stands for
        r.overlaps * (w.sample - r.place + 1) >= r.not_heavier AS for_certain
    FROM ranked AS r
    CROSS JOIN wanted AS w
),
remaining AS (
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
),
drawn AS (
    SELECT n.stratum, n.overlaps - edges.degree AS lost
    FROM numbered AS n
    CROSS JOIN LATERAL (SELECT count(*) AS degree FROM connection_paths.work_overlaps(n.contact_id)) AS edges
    WHERE n.stratum = 0 OR n.draw <= n.draws
)
SELECT
    p.stratum,
    p.contacts,
    p.overlaps,
    COALESCE(d.sampled, 0) AS sampled,
    COALESCE(d.mean_loss, 0) AS mean_loss,
    COALESCE(d.loss_variance, 0) AS loss_variance
FROM (
    SELECT s.stratum, count(*) AS contacts, sum(s.overlaps)::bigint AS overlaps FROM strata AS s GROUP BY s.stratum
    UNION ALL
    SELECT NULL, count(*), 0 FROM loads AS l WHERE l.overlaps = 0
) AS p
LEFT JOIN (
    SELECT
        d.stratum,
        count(*) AS sampled,
        avg(d.lost)::double precision AS mean_loss,
        var_samp(d.lost)::double precision AS loss_variance
    FROM drawn AS d
    GROUP BY d.stratum
) AS d ON d.stratum = p.stratum
ORDER BY p.stratum
