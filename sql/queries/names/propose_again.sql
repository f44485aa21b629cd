-- Marks every company name without a decision, so that propose_names looks for candidates again.
UPDATE connection_paths.company_names AS c
SET proposed_at = NULL, changed_at = now()
WHERE c.proposed_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM connection_paths.name_decisions AS d WHERE d.company_name = c.company_name)
