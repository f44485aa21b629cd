-- This statement is planned, not run: the same edges as in plan_near_members.sql, the strongest one first.
SELECT m.contact_ids, m.date_tos, m.user_ids
FROM connection_paths.near_members(
    ROW(
        $1, $2, 1, 3, 25, 'any', 15, 'strength', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}', true, false, NULL, NULL
    )::connection_paths.search_request, 100, NULL, true, false
) AS m
