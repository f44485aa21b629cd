-- Three users of a collection: with the most contacts in it, with a middling number, and with the fewest.
-- Parameter: collection_id.
WITH users AS (
    SELECT
        m.user_id,
        row_number() OVER (ORDER BY count(DISTINCT m.contact_id) DESC, m.user_id) AS place,
        count(*) OVER () AS users
    FROM connection_paths.collection_members AS m
    WHERE m.collection_id = %(collection_id)s
    GROUP BY m.user_id
)
SELECT u.user_id
FROM users AS u
WHERE u.place IN (1, u.users, (u.users + 1) / 2)
ORDER BY u.place
