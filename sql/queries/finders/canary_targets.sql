-- Questions that users might ask, at random: a target with a career, and a user of some collection.
--
-- Each is two probes of an index, at the first entry from a random id on, so it costs the same however many rows there
-- are: the views cannot be sampled. Ids that follow a gap come more often, and every collection as often as another,
-- whatever its size. From beyond the last member a probe starts again at the first. Random ids are computed as
-- numeric, because two ids may be further apart than a bigint can say.
-- No row without a member or without a contact that has usable work experiences.
WITH ends AS MATERIALIZED (
    SELECT
        (SELECT min(e.contact_id) FROM connection_paths.employments AS e) AS first_contact,
        (SELECT max(e.contact_id) FROM connection_paths.employments AS e) AS last_contact,
        (SELECT min(m.collection_id) FROM connection_paths.collection_members AS m) AS first_collection,
        (SELECT max(m.collection_id) FROM connection_paths.collection_members AS m) AS last_collection
),
probes AS MATERIALIZED (
    SELECT
        (e.first_contact + floor(random()::numeric * (e.last_contact::numeric - e.first_contact + 1)))::bigint AS target,
        (e.first_contact + floor(random()::numeric * (e.last_contact::numeric - e.first_contact + 1)))::bigint AS member,
        (e.first_collection + floor(random()::numeric * (e.last_collection::numeric - e.first_collection + 1)))::bigint
            AS collection
    FROM ends AS e
    CROSS JOIN generate_series(1, 40)
)
SELECT t.contact_id, m.collection_id, m.user_id
FROM probes AS p
CROSS JOIN LATERAL (
    SELECT e.contact_id
    FROM connection_paths.employments AS e
    WHERE e.contact_id >= p.target
    ORDER BY e.contact_id
    LIMIT 1
) AS t
CROSS JOIN LATERAL (
    (
        SELECT m.collection_id, m.user_id
        FROM connection_paths.collection_members AS m
        WHERE (m.collection_id, m.contact_id) >= (p.collection, p.member)
        ORDER BY m.collection_id, m.contact_id
        LIMIT 1
    )
    UNION ALL
    (
        SELECT m.collection_id, m.user_id
        FROM connection_paths.collection_members AS m
        ORDER BY m.collection_id, m.contact_id
        LIMIT 1
    )
    LIMIT 1
) AS m
WHERE EXISTS (SELECT FROM connection_paths.live_contacts AS c WHERE c.id = t.contact_id)
