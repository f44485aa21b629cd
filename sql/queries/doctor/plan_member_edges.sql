-- This statement is planned, not run: the edges of contact $1 to members of collection $2, as the search reads them.
SELECT e.neighbour_id, e.date_to, e.user_id
FROM connection_paths.member_edges(
    $1, ROW($1, $2, 1, 3, 25, 'any', 15, '{}', true, false, NULL, NULL)::connection_paths.search_request, NULL, false
) AS e
ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
LIMIT 15
