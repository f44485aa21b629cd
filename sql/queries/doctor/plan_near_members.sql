-- This statement is planned, not run: edges of contact $1 to members of collection $2, as the search reads them.
-- The fields of the request that are not named are NULL.
SELECT m.contact_ids, m.ranks, m.user_ids
FROM (
    SELECT
        jsonb_populate_record(
            NULL::connection_paths.search_request,
            '{"viewer_user_id": 1, "max_depth": 3, "max_found": 25, "nobody_is_excluded": true, "has_limits": false,
            "by_chain": false, "is_filtered": false, "max_edges_per_hop": 15, "order_by": "recency",
            "seed_scope": "any"}'::jsonb || jsonb_build_object('target_contact_id', $1, 'collection_id', $2)
        ) AS request
    OFFSET 0
) AS r
CROSS JOIN LATERAL connection_paths.near_members(r.request, 0, 100, false, false, false) AS m
