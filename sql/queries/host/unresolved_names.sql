-- Counts the work experiences that have a company name and no organization, and their different names. Names that are
-- resolved, or rejected as no organization, do not count.
--
-- `experiences` has every row of the application's table; the caller puts it in front of this query as a CTE.
SELECT COALESCE(sum(n.experiences), 0)::bigint AS experiences, count(*) AS names
FROM (
    SELECT count(*) AS experiences
    FROM experiences AS e
    WHERE e.organization_id IS NULL
        AND btrim(e.company_name) <> ''
        AND NOT EXISTS (SELECT FROM connection_paths.name_decisions AS d WHERE d.company_name = e.company_name)
    GROUP BY e.company_name
) AS n
