-- connection_paths.recent_members(...): to whom a contact leads, most recent edge first, as deep_search asks it.
--
-- contact_id            the contact to walk from
-- collection_id         the collection whose members may be walked through
-- excluded_contact_ids  not to be asked, besides those in do_not_ask; in order
-- ask_everybody         true where neither holds anybody of the collection: then nobody is looked up there
-- some_members          contacts that need no look-up; one that is no member may be among them (deep_search: the
--                       target)
-- max_members           how many rows at most; NULL: all
--
-- Returns the neighbour, the date_to of the edge, and how many edges had been read by then: a row per edge (so a pair
-- with several kinds comes several times), in order.
--
-- Each neighbour is looked up in the index, which is best where many are members. Beyond the 300th edge they are few: a
-- collection of up to 3,000 is then hashed, once a statement. Inlined. OFFSET 0 keeps a look-up what it is: as a join,
-- it might become a hash of a collection of any size.
--
-- Whether a member may be asked is looked up after that, for members only, and not where everybody may. The array needs
-- no plan node, and every one of them costs a search, even one that never runs: a place in it is found by halving,
-- which is what width_bucket does. (SELECT ... || '{}') is a copy of it made once; PL/pgSQL's own would be copied at
-- every look.
CREATE OR REPLACE FUNCTION connection_paths.recent_members(
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
        FROM connection_paths.recent_edges(recent_members.contact_id) AS e
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
                    FROM connection_paths.introducers AS m
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

COMMENT ON FUNCTION connection_paths.recent_members(bigint, bigint, bigint[], boolean, bigint[], bigint) IS 'Members a contact leads to who may be asked, most recent edge first';

REVOKE ALL ON FUNCTION connection_paths.recent_members(bigint, bigint, bigint[], boolean, bigint[], bigint)
FROM PUBLIC;
