-- generations.near_members(...)
--
-- Returns the best edges of one contact that lead to introducers, with the users who brought each of these. It reads at
-- most 300 edges unless reads_on is true. The planner inlines it.
CREATE OR REPLACE FUNCTION generations.near_members(
    contact_id bigint,
    collection_id bigint,
    not_contact_id bigint,
    excluded_contact_ids bigint[],
    ask_everybody boolean,
    reads_on boolean,
    max_members integer
)
RETURNS TABLE (neighbour_id bigint, date_to date, user_ids bigint[])
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 15
BEGIN ATOMIC
    (
        SELECT e.neighbour_id, e.date_to, array_agg(m.user_id)
        FROM (
            SELECT e.neighbour_id, e.date_to
            FROM generations.recent_edges(near_members.contact_id) AS e
            ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
            LIMIT 300
        ) AS e
        CROSS JOIN LATERAL generations.introducers_of(
            e.neighbour_id,
            near_members.collection_id,
            near_members.excluded_contact_ids,
            near_members.ask_everybody
        ) AS m
        WHERE e.neighbour_id <> near_members.not_contact_id
        GROUP BY e.date_to, e.neighbour_id
        ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
        LIMIT near_members.max_members
    )
    UNION ALL
    (
        SELECT e.neighbour_id, e.date_to, array_agg(m.user_id)
        FROM (
            SELECT e.neighbour_id, e.date_to
            FROM generations.recent_edges(near_members.contact_id) AS e
            ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
            OFFSET 300
        ) AS e
        CROSS JOIN LATERAL generations.introducers_of(
            e.neighbour_id,
            near_members.collection_id,
            near_members.excluded_contact_ids,
            near_members.ask_everybody
        ) AS m
        WHERE near_members.reads_on
            AND e.neighbour_id <> near_members.not_contact_id
            AND CASE
                WHEN (
                    SELECT count(*) <= 3000
                    FROM (
                        SELECT
                        FROM connection_paths.collection_members AS m
                        WHERE m.collection_id = near_members.collection_id
                        LIMIT 3001
                    ) AS m
                )
                    THEN e.neighbour_id IN (
                        SELECT m.contact_id
                        FROM connection_paths.collection_members AS m
                        WHERE m.collection_id = near_members.collection_id
                    )
                ELSE true
            END
        GROUP BY e.date_to, e.neighbour_id
        ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
        LIMIT near_members.max_members
    )
    UNION ALL
    (
        SELECT NULL AS neighbour_id, NULL AS date_to, NULL AS user_ids
        FROM generations.recent_edges(near_members.contact_id)
        WHERE NOT near_members.reads_on
        OFFSET 300
        LIMIT 1
    )
    LIMIT near_members.max_members;
END;

COMMENT ON FUNCTION generations.near_members(bigint, bigint, bigint, bigint[], boolean, boolean, integer) IS 'Members a contact leads to, and who brought them into the collection';

REVOKE ALL ON FUNCTION generations.near_members(bigint, bigint, bigint, bigint[], boolean, boolean, integer) FROM PUBLIC;
