-- Marks the next company names without a decision, so that propose_names looks for candidates again.
--
-- Returns the last name that was looked at, in the order of the bytes. NULL: there are no more.
--
-- Parameters: above (a name; NULL: begin with the first one), at_most.
WITH names AS MATERIALIZED (
    SELECT c.company_name
    FROM connection_paths.company_names AS c
    WHERE c.company_name > COALESCE(%(above)s::text, '')
    ORDER BY c.company_name
    LIMIT %(at_most)s::integer
),
marked AS (
    UPDATE connection_paths.company_names AS c
    SET proposed_at = NULL, changed_at = now()
    FROM names AS n
    WHERE c.company_name = n.company_name
        AND c.proposed_at IS NOT NULL
        AND NOT EXISTS (SELECT FROM connection_paths.name_decisions AS d WHERE d.company_name = c.company_name)
)
SELECT max(n.company_name)
FROM names AS n
