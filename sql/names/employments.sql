-- Usable work experiences, and those whose company name is resolved. The view of migration 0002_tables has the first
-- part only.
--
-- The two conditions of the join say the same, one for the index of each table. With a plain equality the planner may
-- choose a merge join, which reads all names for each organization of a contact: 20 times slower.
CREATE OR REPLACE VIEW connection_paths.employments WITH (security_invoker = true) AS
SELECT e.contact_id, e.organization_id, e.date_from, e.date_to
FROM connection_paths.work_experiences AS e
UNION ALL
SELECT n.contact_id, d.organization_id, n.date_from, n.date_to
FROM connection_paths.named_experiences AS n
JOIN connection_paths.name_decisions AS d
    ON d.company_name = ANY (ARRAY[n.company_name]) AND n.company_name = ANY (ARRAY[d.company_name])
WHERE d.organization_id IS NOT NULL;
