CREATE OR REPLACE FUNCTION connection_paths.members_near(
    contact_ids bigint[],
    edges_each bigint,
    given_edges connection_paths.given_edge[],
    collection_id bigint,
    viewer_user_id bigint,
    only_viewer boolean,
    excluded_contact_ids bigint[],
    ask_everybody boolean,
    deadline timestamptz
)
RETURNS TABLE (members bigint[], of_viewer bigint[], unread bigint[], edges_read bigint, read_to date)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    WITH edges AS MATERIALIZED (
        SELECT f.contact_id, e.neighbour_ids, e.number, e.read_to
        FROM (
            SELECT f.contact_id
            FROM unnest(members_near.contact_ids) AS f (contact_id)
            WHERE members_near.deadline IS NULL OR clock_timestamp() < members_near.deadline
            OFFSET 0
        ) AS f
        CROSS JOIN LATERAL (
            SELECT
                array_agg(e.neighbour_id) AS neighbour_ids,
                count(*) AS number,
                min(LEAST(e.date_to, current_date)) AS read_to
            FROM connection_paths.contact_edges(f.contact_id, members_near.edges_each, members_near.given_edges) AS e
        ) AS e
    )
    SELECT
        COALESCE(array_agg(m.contact_id), '{}'),
        COALESCE(array_agg(m.contact_id) FILTER (WHERE m.user_id = members_near.viewer_user_id), '{}'),
        (SELECT array_agg(e.contact_id) FROM edges AS e WHERE e.number = members_near.edges_each),
        (SELECT sum(e.number)::bigint FROM edges AS e),
        (SELECT min(e.read_to) FROM edges AS e)
    FROM connection_paths.askable_members(
        members_near.collection_id, members_near.excluded_contact_ids, members_near.ask_everybody
    ) AS m
    WHERE m.contact_id = ANY (ARRAY(SELECT unnest(e.neighbour_ids) FROM edges AS e))
        AND (NOT members_near.only_viewer OR m.user_id = members_near.viewer_user_id);
END;

COMMENT ON FUNCTION connection_paths.members_near(bigint[], bigint, connection_paths.given_edge[], bigint, bigint, boolean, bigint[], boolean, timestamptz) IS 'Members who may be asked among the neighbours that some contacts'' best edges lead to';

REVOKE ALL ON FUNCTION connection_paths.members_near(bigint[], bigint, connection_paths.given_edge[], bigint, bigint, boolean, bigint[], boolean, timestamptz)
FROM PUBLIC;
