-- generations.recent_members(...)
--
-- Returns arrays of the introducers that each of several contacts has an edge with, the best edge first.
CREATE OR REPLACE FUNCTION generations.recent_members(
    contact_id bigint,
    collection_id bigint,
    excluded_contact_ids bigint[],
    ask_everybody boolean,
    some_members bigint[],
    max_members bigint
)
RETURNS TABLE (neighbour_id bigint, date_to date, edges_read bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 15
BEGIN ATOMIC
    SELECT e.neighbour_id, e.date_to, e.edges_read
    FROM (
        SELECT
            e.neighbour_id,
            e.date_to,
            row_number() OVER (ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id) AS edges_read
        FROM generations.recent_edges(recent_members.contact_id) AS e
    ) AS e
    WHERE CASE
        WHEN CASE
            WHEN e.neighbour_id IN (SELECT m.contact_id FROM unnest(recent_members.some_members) AS m (contact_id))
                THEN true
            WHEN e.edges_read > 300 AND (
                SELECT count(*) <= 3000
                FROM (
                    SELECT
                    FROM connection_paths.collection_members AS m
                    WHERE m.collection_id = recent_members.collection_id
                    LIMIT 3001
                ) AS m
            )
                THEN e.neighbour_id IN (
                    SELECT m.contact_id
                    FROM connection_paths.collection_members AS m
                    WHERE m.collection_id = recent_members.collection_id
                )
            ELSE EXISTS (
                SELECT
                FROM connection_paths.collection_members AS m
                WHERE m.collection_id = recent_members.collection_id AND m.contact_id = e.neighbour_id
                OFFSET 0
            )
        END
            THEN recent_members.ask_everybody OR (
                (
                    recent_members.excluded_contact_ids[
                        width_bucket(e.neighbour_id, (SELECT recent_members.excluded_contact_ids || '{}'::bigint[]))
                    ] = e.neighbour_id
                ) IS NOT TRUE
                AND EXISTS (
                    SELECT
                    FROM generations.introducers AS m
                    WHERE m.collection_id = recent_members.collection_id
                        AND m.contact_id = e.neighbour_id
                        AND m.may_be_asked
                    OFFSET 0
                )
            )
    END
    ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
    LIMIT recent_members.max_members;
END;

COMMENT ON FUNCTION generations.recent_members(bigint, bigint, bigint[], boolean, bigint[], bigint) IS 'Members a contact leads to who may be asked, most recent edge first';

REVOKE ALL ON FUNCTION generations.recent_members(bigint, bigint, bigint[], boolean, bigint[], bigint)
FROM PUBLIC;
