-- The organization with the most edges in a sample of the edge table, its name, its share, and the size of the sample.
--
-- Parameter: percent, the share of the pages of the table that are read. The same pages are read every time.
SELECT
    s.organization_id,
    (SELECT min(o.name) FROM connection_paths.known_organizations AS o WHERE o.id = s.organization_id) AS name,
    s.edges / s.sampled AS share,
    s.sampled::bigint AS sampled
FROM (
    SELECT
        c.organization_id,
        count(*)::double precision AS edges,
        sum(count(*)) OVER ()::double precision AS sampled
    FROM connection_paths.contact_connections AS c TABLESAMPLE SYSTEM (%(percent)s) REPEATABLE (1)
    WHERE c.kind = 'work_overlap'
    GROUP BY c.organization_id
) AS s
WHERE s.organization_id NOT IN (SELECT p.organization_id FROM connection_paths.organization_policy AS p)
ORDER BY s.edges DESC, s.organization_id
LIMIT 1
