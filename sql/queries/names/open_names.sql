-- Company names that have no decision, those with the most work experiences first. Names that can only mean excluded
-- organizations come last, because no decision about them makes an edge.
--
-- Parameters: at_most; NULL: all. every: also names without candidates.
-- candidates  A JSON array: place, organization_id, name, score and reason of each candidate, the best one first.
SELECT c.company_name, c.experiences, COALESCE(p.candidates, '[]') AS candidates
FROM connection_paths.company_names AS c
CROSS JOIN LATERAL (
    SELECT
        jsonb_agg(
            jsonb_build_object(
                'place', s.place,
                'organization_id', s.organization_id,
                'name', o.name,
                'score', round(s.score::numeric, 2),
                'reason', s.reason
            )
            ORDER BY s.place
        ) AS candidates,
        COALESCE(bool_and(l.rule IS NOT NULL), false) AS is_excluded
    FROM connection_paths.name_proposals AS s
    LEFT JOIN connection_paths.known_organizations AS o ON o.id = s.organization_id
    LEFT JOIN connection_paths.organization_policy AS l ON l.organization_id = s.organization_id AND l.rule = 'none'
    WHERE s.company_name = c.company_name
) AS p
WHERE (%(every)s::boolean OR p.candidates IS NOT NULL)
    AND NOT EXISTS (SELECT FROM connection_paths.name_decisions AS d WHERE d.company_name = c.company_name)
ORDER BY p.is_excluded, c.experiences DESC, c.company_name
LIMIT %(at_most)s::bigint
