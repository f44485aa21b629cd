-- What resolving company names would add, before anything is resolved. Reads the table of work experiences once.
--
-- The caller defines experiences, as in host/experiences_by_rule: every row of the application's table.
-- names        distinct company names of work experiences without an organization that are otherwise usable
-- experiences  how many work experiences these are
-- resolvable   how many of them have a name that exactly one organization has, in the same spelling but for case
SELECT
    count(*) AS names,
    COALESCE(sum(n.experiences), 0)::bigint AS experiences,
    COALESCE(sum(n.experiences) FILTER (WHERE o.organizations = 1), 0)::bigint AS resolvable
FROM (
    SELECT lower(e.company_name::text) AS name, count(*) AS experiences
    FROM experiences AS e
    WHERE e.organization_id IS NULL
        AND e.date_from IS NOT NULL
        AND (e.date_to IS NULL OR e.date_to >= e.date_from)
        AND length(e.company_name::text) BETWEEN 1 AND 200
    GROUP BY 1
) AS n
LEFT JOIN (
    SELECT lower(l.name) AS name, count(*) AS organizations
    FROM connection_paths.live_organizations AS l
    GROUP BY 1
) AS o ON o.name = n.name
