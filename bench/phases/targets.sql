-- Whom to look for, and their degrees: the three contacts with the most edges, then for each degree wanted the contact
-- that comes nearest to it. Parameter: degrees.
WITH ends AS (
    SELECT c.contact_a_id AS contact_id, count(*) AS edges
    FROM connection_paths.contact_connections AS c
    GROUP BY c.contact_a_id
    UNION ALL
    SELECT c.contact_b_id, count(*)
    FROM connection_paths.contact_connections AS c
    GROUP BY c.contact_b_id
),
degrees AS MATERIALIZED (
    SELECT e.contact_id, sum(e.edges)::bigint AS degree
    FROM ends AS e
    GROUP BY e.contact_id
),
hubs AS (
    SELECT d.contact_id, d.degree
    FROM degrees AS d
    ORDER BY d.degree DESC, d.contact_id
    LIMIT 3
),
ordinary AS (
    SELECT DISTINCT nearest.contact_id, nearest.degree
    FROM unnest(%(degrees)s::bigint[]) AS w (degree)
    CROSS JOIN LATERAL (
        SELECT d.contact_id, d.degree
        FROM degrees AS d
        WHERE d.contact_id NOT IN (SELECT h.contact_id FROM hubs AS h)
        ORDER BY abs(d.degree - w.degree), d.contact_id
        LIMIT 1
    ) AS nearest
)
SELECT h.contact_id, h.degree
FROM hubs AS h
UNION ALL
SELECT o.contact_id, o.degree
FROM ordinary AS o
ORDER BY 2 DESC, 1
