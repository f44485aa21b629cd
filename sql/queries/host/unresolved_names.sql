-- Counts the work experiences that have a company name and no organization, and their different names.
--
-- `experiences` has every row of the application's table; the caller puts it in front of this query as a CTE.
SELECT COALESCE(sum(n.experiences), 0)::bigint AS experiences, count(*) AS names
FROM (
    SELECT count(*) AS experiences
    FROM experiences AS e
    WHERE e.organization_id IS NULL AND btrim(e.company_name::text) <> ''
    GROUP BY e.company_name
) AS n
