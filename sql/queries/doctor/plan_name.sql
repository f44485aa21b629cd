-- This statement is planned, not run: the names of users, as find_paths looks them up.
SELECT u.id, u.name
FROM connection_paths.live_users AS u
WHERE u.id = ANY (ARRAY[1, 2]::bigint[])
