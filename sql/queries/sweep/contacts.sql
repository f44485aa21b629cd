-- Contacts that may be targets, each with its number of edges, in an order that depends on the seed.
-- Parameters: seed; contacts (how many random ids are tried).
--
-- One half are the contacts at random ids. The other half are neighbours of these: a contact with a hundred times the
-- edges is a hundred times as likely to be a neighbour, so this half contains hubs. The cost depends on how many are
-- drawn and not on how many contacts exist: each takes a few index probes. The same seed and data give the same rows.
WITH ends AS MATERIALIZED (
    SELECT
        (SELECT min(c.id) FROM connection_paths.live_contacts AS c) AS first_contact,
        (SELECT max(c.id) FROM connection_paths.live_contacts AS c) AS last_contact
),
tried AS MATERIALIZED (
    SELECT (
        e.first_contact
        + mod(
            (hashint8extended(n, %(seed)s) & 9223372036854775807)::numeric,
            e.last_contact::numeric - e.first_contact + 1 -- numeric: the distance of two ids may exceed a bigint
        )
    )::bigint AS id
    FROM ends AS e
    CROSS JOIN generate_series(1, %(contacts)s) AS n
    WHERE e.first_contact IS NOT NULL
),
random_contacts AS MATERIALIZED (
    SELECT DISTINCT c.id
    FROM tried AS t
    CROSS JOIN LATERAL (
        SELECT c.id
        FROM connection_paths.live_contacts AS c
        WHERE c.id >= t.id
        ORDER BY c.id
        LIMIT 1
    ) AS c
),
neighbours AS (
    SELECT n.id
    FROM random_contacts AS r
    CROSS JOIN LATERAL (
        (
            SELECT e.neighbour_id
            FROM connection_paths.contact_edges(r.id, NULL, NULL, false) AS e
            WHERE e.neighbour_id > r.id
            LIMIT 1
        )
        UNION ALL
        (
            SELECT e.neighbour_id
            FROM connection_paths.contact_edges(r.id, NULL, NULL, false) AS e
            WHERE e.neighbour_id < r.id
            LIMIT 1
        )
    ) AS n (id)
),
contacts AS (
    SELECT r.id, true AS is_random
    FROM random_contacts AS r
    UNION ALL
    SELECT DISTINCT n.id, false
    FROM neighbours AS n
    WHERE NOT EXISTS (SELECT FROM random_contacts AS r WHERE r.id = n.id)
)
SELECT
    c.id,
    (SELECT count(*) FROM connection_paths.contact_edges(c.id, NULL, NULL, false) AS e) AS edges,
    c.is_random
FROM contacts AS c
ORDER BY hashint8extended(c.id, %(seed)s), c.id
