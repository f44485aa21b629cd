-- Returns the names of users and collections, cut to the length that is shown; no row where no table of them is mapped.
--
-- Parameters: user_ids; collection_ids; longest.
SELECT 'user', u.id, left(u.name, %(longest)s::integer)
FROM connection_paths.live_users AS u
WHERE u.id = ANY (%(user_ids)s::bigint[])
UNION ALL
SELECT 'collection', c.id, left(c.name, %(longest)s::integer)
FROM connection_paths.live_collections AS c
WHERE c.id = ANY (%(collection_ids)s::bigint[])
