-- The state of the resolving of company names, in one row.
--
-- names, experiences        the distinct company names without an organization, and their usable work experiences
-- accepted, rejected        how many of these names are decided
-- accepted_experiences      the work experiences of accepted names; they make edges like any other
-- open_with_candidates      names without a decision that have candidates
-- open_without_candidates   names without a decision and without candidates
-- not_looked_at             names for which no candidate was looked for yet
-- of_missing_organizations  accepted names whose organization does not exist
SELECT
    count(*) AS names,
    COALESCE(sum(c.experiences), 0)::bigint AS experiences,
    count(d.organization_id) AS accepted,
    COALESCE(sum(c.experiences) FILTER (WHERE d.organization_id IS NOT NULL), 0)::bigint AS accepted_experiences,
    count(*) FILTER (WHERE d.company_name IS NOT NULL AND d.organization_id IS NULL) AS rejected,
    count(*) FILTER (WHERE d.company_name IS NULL AND p.company_name IS NOT NULL) AS open_with_candidates,
    count(*) FILTER (WHERE d.company_name IS NULL AND p.company_name IS NULL AND c.proposed_at IS NOT NULL)
        AS open_without_candidates,
    count(*) FILTER (WHERE d.company_name IS NULL AND c.proposed_at IS NULL) AS not_looked_at,
    count(*) FILTER (
        WHERE d.organization_id IS NOT NULL
            AND NOT EXISTS (SELECT FROM connection_paths.known_organizations AS o WHERE o.id = d.organization_id)
    ) AS of_missing_organizations
FROM connection_paths.company_names AS c
LEFT JOIN connection_paths.name_decisions AS d ON d.company_name = c.company_name
LEFT JOIN connection_paths.name_proposals AS p ON p.company_name = c.company_name AND p.place = 1
