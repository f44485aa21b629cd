-- Random contacts that share an edge with one of the given contacts.
SELECT e.contact_id
FROM (
    SELECT c.contact_b_id FROM connection_paths.contact_connections AS c WHERE c.contact_a_id = ANY (%(contacts)s)
    UNION
    SELECT c.contact_a_id FROM connection_paths.contact_connections AS c WHERE c.contact_b_id = ANY (%(contacts)s)
) AS e (contact_id)
ORDER BY hashint8extended(e.contact_id, 3), e.contact_id
LIMIT 100
