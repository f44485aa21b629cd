-- Counts the work experiences, and those that each rule leaves out; one experience may be left out by several rules.
--
-- `experiences` has every row of the application's table; the caller puts it in front of this query as a CTE.
--
-- contacts                   Contacts that exist.
-- contacts_with_experiences  Contacts that exist and have a work experience.
-- contacts_without_usable    Contacts that exist and have work experiences, but no usable one.
-- missing_contacts           How many contacts that do not exist have work experiences.
-- future                     Usable experiences that start after today.
-- duplicates                 Usable experiences with the contact, the organization and the dates of another one. Of
--                            several equal ones, one does not count as a duplicate.
--
-- excluded                   Experiences of organizations that make no edges (organization_policy).
--
-- A company name that is resolved gives its organization. The table is read once. Rows are counted per contact first,
-- so that each contact is looked up once and not once per row. The duplicates of a contact are found by a hash of 64
-- bits.
SELECT
    (SELECT count(c.id) FROM connection_paths.live_contacts AS c) AS contacts,
    count(*) FILTER (WHERE c.id IS NOT NULL) AS contacts_with_experiences,
    count(*) FILTER (WHERE c.id IS NOT NULL AND p.usable = 0) AS contacts_without_usable,
    count(*) FILTER (WHERE c.id IS NULL AND p.contact_id IS NOT NULL) AS missing_contacts,
    COALESCE(sum(p.future) FILTER (WHERE c.id IS NOT NULL), 0)::bigint AS future,
    COALESCE(sum(p.usable - p.different) FILTER (WHERE c.id IS NOT NULL), 0)::bigint AS duplicates,
    COALESCE(sum(p.experiences), 0)::bigint AS experiences,
    COALESCE(sum(p.usable) FILTER (WHERE c.id IS NOT NULL), 0)::bigint AS usable,
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
        count(*) FILTER (WHERE e.is_usable) AS usable,
        count(*) FILTER (WHERE e.is_usable AND e.date_from > CURRENT_DATE) AS future,
        count(DISTINCT hash_record_extended(ROW(e.organization_id, e.date_from, e.date_to), 0))
            FILTER (WHERE e.is_usable) AS different,
        count(*) FILTER (WHERE e.organization_id IS NULL) AS without_organization,
        count(*) FILTER (WHERE e.date_from IS NULL) AS without_start,
        count(*) FILTER (WHERE e.date_to < e.date_from) AS end_before_start,
        count(*) FILTER (WHERE e.organization_id IS NOT NULL AND NOT e.is_there) AS orphans,
        count(*) FILTER (WHERE e.is_excluded) AS excluded
    FROM (
        SELECT
            x.contact_id,
            COALESCE(x.organization_id, d.organization_id) AS organization_id,
            x.date_from,
            x.date_to,
            o.id IS NOT NULL AS is_there,
            o.id IS NOT NULL AND p.organization_id IS NOT NULL AS is_excluded,
            o.id IS NOT NULL
                AND p.organization_id IS NULL
                AND x.date_from IS NOT NULL
                AND (x.date_to IS NULL OR x.date_to >= x.date_from) AS is_usable
        FROM experiences AS x
        LEFT JOIN connection_paths.name_decisions AS d ON d.company_name = x.company_name AND x.organization_id IS NULL
        LEFT JOIN (SELECT DISTINCT l.id FROM connection_paths.known_organizations AS l) AS o
            ON o.id = COALESCE(x.organization_id, d.organization_id)
        LEFT JOIN connection_paths.organization_policy AS p
            ON p.organization_id = COALESCE(x.organization_id, d.organization_id) AND p.rule = 'none'
    ) AS e
    GROUP BY e.contact_id
) AS p
LEFT JOIN (SELECT DISTINCT l.id FROM connection_paths.live_contacts AS l) AS c ON c.id = p.contact_id
