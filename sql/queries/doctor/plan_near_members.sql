-- This statement is planned, not run: edges of contact $1 to members of collection $2, as the search reads them.
SELECT m.contact_ids, m.date_tos, m.user_ids
FROM connection_paths.near_members(
    ROW(
        $1, $2, 1, 3, 25, 'any', 15, 'recency', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}', true, false, NULL, NULL
    )::connection_paths.search_request, 100, NULL, false, false
) AS m
