-- connection_paths.recent_members(…): to whom a contact leads, most recent edge first, as search asks it.
--
-- contact_id     the contact to walk from
-- collection_id  the collection whose members may be walked through
-- members        all of them, to be hashed; NULL: each neighbour is looked up in the index
-- some_members   contacts that need no look-up then; one that is no member may be among them (search: the target)
-- reach          how many edges to read at most; NULL: all
-- max_members    how many rows at most; NULL: all
--
-- Returns the neighbour and the date_to of the edge, a row per edge (so a pair with several kinds comes several times),
-- in order. Inlined; the hash tables are made once a statement, the first time one is needed. OFFSET 0 keeps
-- the look-up what it is: as a join, it might become a hash of the whole collection.
CREATE OR REPLACE FUNCTION connection_paths.recent_members(
    contact_id bigint,
    collection_id bigint,
    members bigint[],
    some_members bigint[],
    reach bigint,
    max_members bigint
)
RETURNS TABLE (neighbour_id bigint, date_to date)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 15
AS $function$
    SELECT e.neighbour_id, e.date_to
    FROM (
        SELECT e.neighbour_id, e.date_to
        FROM connection_paths.recent_edges(recent_members.contact_id) AS e
        ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
        LIMIT recent_members.reach
    ) AS e
    WHERE CASE
        WHEN recent_members.members IS NOT NULL
            THEN e.neighbour_id IN (SELECT m.contact_id FROM unnest(recent_members.members) AS m (contact_id))
        WHEN e.neighbour_id IN (SELECT m.contact_id FROM unnest(recent_members.some_members) AS m (contact_id))
            THEN true
        ELSE EXISTS (
            SELECT
            FROM connection_paths.collection_members AS m
            WHERE m.collection_id = recent_members.collection_id AND m.contact_id = e.neighbour_id
            OFFSET 0
        )
    END
    ORDER BY e.date_to DESC NULLS FIRST, e.neighbour_id
    LIMIT recent_members.max_members
$function$;

COMMENT ON FUNCTION connection_paths.recent_members(bigint, bigint, bigint[], bigint[], bigint, bigint) IS 'Members a contact leads to, most recent edge first, read no further than told';

REVOKE ALL ON FUNCTION connection_paths.recent_members(bigint, bigint, bigint[], bigint[], bigint, bigint) FROM PUBLIC;
