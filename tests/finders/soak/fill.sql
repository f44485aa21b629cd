-- Every edge that work experiences make.
INSERT INTO connection_paths.contact_connections
    (contact_a_id, contact_b_id, kind, organization_id, date_from, date_to, strength, shared_organizations, earlier_days,
    people)
SELECT c.id, o.neighbour_id, 'work_overlap', o.organization_id, o.date_from, o.date_to, o.strength,
    o.shared_organizations, o.earlier_days, o.people
FROM connection_paths.live_contacts AS c
CROSS JOIN LATERAL connection_paths.work_overlaps(c.id) AS o
WHERE o.neighbour_id > c.id
