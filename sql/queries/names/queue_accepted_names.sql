-- Queues every company name that is accepted, so that sync refreshes its contacts.
INSERT INTO connection_paths.name_changes (company_name)
SELECT d.company_name
FROM connection_paths.name_decisions AS d
WHERE d.organization_id IS NOT NULL
