-- This statement is planned, not run: all members of collection $2, if they are 10,000 entries or fewer.
SELECT w.contact_id
FROM connection_paths.whole_collection($2, '{}', true, 10000) AS w
