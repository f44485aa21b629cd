-- connection_paths.near_members(...): to whom a contact leads and who brought them, as shallow_search asks it.
--
-- contact_id      the contact to walk from
-- collection_id   the collection whose members may be walked through
-- not_contact_id  a contact not to return
-- excluded_contact_ids, ask_everybody   recent_members', the latter as a literal: what is not needed is then not
--                                       planned
-- reads_on        a literal, too: whether edges beyond the 300th are read
-- max_members     how many rows at most
--
-- Returns the neighbour, the date_to of the edge and the users who brought the neighbour into the collection (one may
-- be there twice), most recent edge first. Without reads_on it returns one row of nulls in place of the edges beyond
-- the 300th; the caller then continues with deep_search. For edges of one kind only.
--
-- Who may open a path at a member is in the index entry that says it is one: taking it along saves a second look-up.
-- Beyond the 300th edge members are few: a collection of up to 3,000 is then hashed, once a statement.
--
-- Inlined. A later arm is not begun where those before it give max_members rows.
CREATE OR REPLACE FUNCTION connection_paths.near_members(
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
            FROM connection_paths.recent_edges(near_members.contact_id) AS e
            ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
            LIMIT 300
        ) AS e
        CROSS JOIN LATERAL connection_paths.introducers_of(
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
            FROM connection_paths.recent_edges(near_members.contact_id) AS e
            ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
            OFFSET 300
        ) AS e
        CROSS JOIN LATERAL connection_paths.introducers_of(
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
        FROM connection_paths.recent_edges(near_members.contact_id)
        WHERE NOT near_members.reads_on
        OFFSET 300
        LIMIT 1
    )
    LIMIT near_members.max_members;
END;

COMMENT ON FUNCTION connection_paths.near_members(bigint, bigint, bigint, bigint[], boolean, boolean, integer) IS 'Members a contact leads to, and who brought them into the collection';

REVOKE ALL ON FUNCTION connection_paths.near_members(bigint, bigint, bigint, bigint[], boolean, boolean, integer) FROM PUBLIC;
