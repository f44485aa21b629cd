-- Counts the work experiences, and those that each rule leaves out; one experience may be left out by several rules.
--
-- `experiences` has every row of the application's table; the caller puts it in front of this query as a CTE.
-- Rows are counted per contact first, so that each contact is looked up once and not once per row.
SELECT
    (SELECT count(*) FROM connection_paths.live_contacts) AS contacts,
    count(*) FILTER (WHERE c.id IS NOT NULL) AS contacts_with_experiences,
    COALESCE(sum(p.experiences), 0)::bigint AS experiences,
    (
        SELECT count(*)
        FROM connection_paths.work_experiences AS u
        WHERE EXISTS (SELECT FROM connection_paths.live_organizations AS o WHERE o.id = u.organization_id)
            AND EXISTS (SELECT FROM connection_paths.live_contacts AS l WHERE l.id = u.contact_id)
    ) AS usable,
    COALESCE(sum(p.without_organization), 0)::bigint AS without_organization,
    COALESCE(sum(p.without_start), 0)::bigint AS without_start,
    COALESCE(sum(p.end_before_start), 0)::bigint AS end_before_start,
    COALESCE(sum(p.orphans), 0)::bigint AS orphans,
    COALESCE(sum(p.excluded), 0)::bigint AS excluded,
    COALESCE(sum(p.experiences) FILTER (WHERE c.id IS NULL), 0)::bigint AS of_missing_contacts
FROM (
    SELECT
        e.contact_id,
        count(*) AS experiences,
        count(*) FILTER (WHERE e.organization_id IS NULL) AS without_organization,
        count(*) FILTER (WHERE e.date_from IS NULL) AS without_start,
        count(*) FILTER (WHERE e.date_to < e.date_from) AS end_before_start,
        count(*) FILTER (WHERE e.organization_id IS NOT NULL AND o.id IS NULL) AS orphans,
        count(*) FILTER (WHERE o.id IS NOT NULL AND x.organization_id IS NOT NULL) AS excluded
    FROM experiences AS e
    LEFT JOIN (SELECT DISTINCT l.id FROM connection_paths.known_organizations AS l) AS o ON o.id = e.organization_id
    LEFT JOIN connection_paths.organization_policy AS x ON x.organization_id = e.organization_id AND x.rule = 'none'
    GROUP BY e.contact_id
) AS p
LEFT JOIN (SELECT DISTINCT l.id FROM connection_paths.live_contacts AS l) AS c ON c.id = p.contact_id
