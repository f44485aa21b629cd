-- How many edges these contacts have, unknown ones included. Parameter: contacts.
SELECT
    g.id,
    (SELECT count(*) FROM connection_paths.contact_connections AS e WHERE e.contact_a_id = g.id)
        + (SELECT count(*) FROM connection_paths.contact_connections AS e WHERE e.contact_b_id = g.id) AS edges
FROM unnest(%(contacts)s::bigint[]) WITH ORDINALITY AS g (id, place)
ORDER BY g.place
