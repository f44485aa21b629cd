-- connection_paths.near_members(…): to whom a contact leads and who brought them, as search asks it where that is little work.
--
-- contact_id      the contact to walk from
-- collection_id   the collection whose members may be walked through
-- not_contact_id  a contact not to return
-- excluded_contact_ids, ask_everybody   recent_members', the latter as a literal: what is not needed is then not planned
-- max_members     how many rows at most
--
-- Returns the neighbour, the date_to of the edge and the users who brought the neighbour into the collection (one may be
-- there twice), most recent edge first. Instead of the rows beyond the 300th edge there is one of nulls: then recent_members
-- is to be asked, which reads on in a better way. For a world with one kind of edges.
--
-- Who may open a path at a member is in the index entry that says it is one: taking it along saves a second look-up.
-- Inlined. OFFSET 0 keeps it a look-up: as a join, it might begin with the members. The second arm is not begun where the
-- first gives max_members rows.
CREATE OR REPLACE FUNCTION connection_paths.near_members(
    contact_id bigint,
    collection_id bigint,
    not_contact_id bigint,
    excluded_contact_ids bigint[],
    ask_everybody boolean,
    max_members integer
)
RETURNS TABLE (neighbour_id bigint, date_to date, user_ids bigint[])
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 15
AS $function$
    (
        SELECT e.neighbour_id, e.date_to, array_agg(m.user_id)
        FROM (
            SELECT e.neighbour_id, e.date_to
            FROM connection_paths.recent_edges(near_members.contact_id) AS e
            ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
            LIMIT 300
        ) AS e
        CROSS JOIN LATERAL (
            SELECT m.user_id
            FROM connection_paths.introducers AS m
            WHERE m.collection_id = near_members.collection_id
                AND m.contact_id = e.neighbour_id
                AND (
                    near_members.ask_everybody
                    OR (
                        near_members.excluded_contact_ids[
                            width_bucket(m.contact_id, (SELECT near_members.excluded_contact_ids || '{}'::bigint[]))
                        ] = m.contact_id
                    ) IS NOT TRUE
                    AND m.may_be_asked
                )
            OFFSET 0
        ) AS m
        WHERE e.neighbour_id <> near_members.not_contact_id
        GROUP BY e.date_to, e.neighbour_id
        ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
        LIMIT near_members.max_members
    )
    UNION ALL
    (
        SELECT NULL, NULL, NULL
        FROM connection_paths.recent_edges(near_members.contact_id)
        OFFSET 300
        LIMIT 1
    )
    LIMIT near_members.max_members
$function$;

COMMENT ON FUNCTION connection_paths.near_members(bigint, bigint, bigint, bigint[], boolean, integer) IS 'Members a contact leads to along its 300 most recent edges, and who brought them into the collection';

REVOKE ALL ON FUNCTION connection_paths.near_members(bigint, bigint, bigint, bigint[], boolean, integer) FROM PUBLIC;
