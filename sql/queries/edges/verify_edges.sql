-- The differences between the stored edges of some contacts and the computed ones: a row for each pair.
--
-- Parameter: contact_ids.
-- problem     'missing', 'stale' (the edge should not exist) or 'different' (organization or dates)
-- is_waiting  true: one of the two contacts is in the queue of changes (by its own id, with an organization or with
--             every contact), or its scheduled refresh is due
WITH checked AS (
    SELECT c.id FROM unnest(%(contact_ids)s::bigint[]) AS c (id)
),
wanted AS (
    SELECT
        LEAST(c.id, w.neighbour_id) AS contact_a_id,
        GREATEST(c.id, w.neighbour_id) AS contact_b_id,
        w.strength,
        w.shared_organizations,
        w.organization_id,
        w.date_from,
        w.date_to,
        w.earlier_days,
        w.people
    FROM checked AS c
    CROSS JOIN LATERAL connection_paths.work_overlaps(c.id) AS w
),
present AS (
    SELECT e.contact_a_id, e.contact_b_id, e.strength, e.shared_organizations, e.organization_id, e.date_from, e.date_to,
        e.earlier_days, e.people
    FROM connection_paths.stored_overlaps(%(contact_ids)s::bigint[], false) AS e
),
-- DISTINCT: a pair whose contacts are both checked is found twice
different AS (
    SELECT DISTINCT
        COALESCE(w.contact_a_id, p.contact_a_id) AS contact_a_id,
        COALESCE(w.contact_b_id, p.contact_b_id) AS contact_b_id,
        CASE
            WHEN p.contact_a_id IS NULL THEN 'missing'
            WHEN w.contact_a_id IS NULL THEN 'stale'
            ELSE 'different'
        END AS problem
    FROM wanted AS w
    FULL JOIN present AS p
        ON p.contact_a_id = w.contact_a_id AND p.contact_b_id = w.contact_b_id
    WHERE (w.shared_organizations, w.organization_id, w.date_from, w.date_to, w.earlier_days, w.people)
        IS DISTINCT FROM (p.shared_organizations, p.organization_id, p.date_from, p.date_to, p.earlier_days, p.people)
        OR w.strength < p.strength
        -- an overlap that goes on has become stronger since its edge was written
        OR w.strength > p.strength AND w.date_to < CURRENT_DATE
),
-- MATERIALIZED: computed once, however many pairs differ, and not at all when none differs
waiting AS MATERIALIZED (
    SELECT q.contact_id
    FROM connection_paths.contact_changes AS q
    WHERE q.contact_id IS NOT NULL
    UNION
    SELECT d.contact_id
    FROM connection_paths.due_changes AS d
    WHERE d.due_on <= CURRENT_DATE
    UNION
    SELECT e.contact_id
    FROM connection_paths.contact_changes AS q
    CROSS JOIN LATERAL (
        SELECT w.contact_id
        FROM connection_paths.employments AS w
        WHERE w.organization_id = q.organization_id AND w.contact_id IS NOT NULL
        OFFSET 0
    ) AS e
)
SELECT
    d.contact_a_id,
    d.contact_b_id,
    d.problem,
    EXISTS (
        SELECT FROM connection_paths.contact_changes AS q WHERE q.contact_id IS NULL AND q.organization_id IS NULL
    )
    OR d.contact_a_id IN (SELECT w.contact_id FROM waiting AS w)
    OR d.contact_b_id IN (SELECT w.contact_id FROM waiting AS w) AS is_waiting
FROM different AS d
ORDER BY d.contact_a_id, d.contact_b_id
