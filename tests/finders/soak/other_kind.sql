-- Edges of another kind. Every third pair gets one that ends later than its edge, on the same day or earlier; between
-- other contacts, some go on and some end in the future.
INSERT INTO connection_paths.contact_connections (contact_a_id, contact_b_id, kind, date_to)
SELECT
    c.contact_a_id,
    c.contact_b_id,
    'friend'::connection_paths.connection_kind,
    c.date_to + (c.organization_id % 3 - 1)::integer * 100
FROM connection_paths.contact_connections AS c
WHERE hashint8extended(c.contact_a_id + c.contact_b_id, 4) % 3 = 0
UNION ALL
SELECT c.id, c.id + 7, 'friend', CASE WHEN c.id % 2 = 0 THEN current_date + (c.id % 30)::integer END
FROM connection_paths.live_contacts AS c
WHERE c.id % 5 = 0
ON CONFLICT DO NOTHING
