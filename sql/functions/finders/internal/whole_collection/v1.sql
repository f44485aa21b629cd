-- connection_paths.whole_collection(collection_id, excluded_contact_ids, ask_everybody, most)
--
-- Gives all members of a collection who may be asked, unless the collection is large.
--
-- Parameters
--     collection_id         The collection whose members may be asked. Required; an unknown id gives an empty
--                           answer.
--     excluded_contact_ids  Contacts who may not be asked, besides those in do_not_ask; sorted, without NULL.
--     ask_everybody         True when nobody of the collection is in do_not_ask and nobody is excluded.
--     most                  The most entries that a collection may have to be read.
-- Returns
--     No row where the collection has more entries than that; else one row per entry.
--     contact_id  The member.
-- Errors
--     none
-- Reads
--     collection_members
-- Writes
--     none
-- Used by
--     next_contacts, sql/queries/doctor/plan_whole_collection.sql
-- Why
--     Around a hub few edges lead to members of a small collection. Reading its members once and hashing them is
--     cheaper than looking up every neighbour: 0.1 us an entry and 0.06 us an edge.
CREATE OR REPLACE FUNCTION connection_paths.whole_collection(
    collection_id bigint,
    excluded_contact_ids bigint[],
    ask_everybody boolean,
    most bigint
)
RETURNS TABLE (contact_id bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1000
BEGIN ATOMIC
    SELECT m.contact_id
    FROM connection_paths.askable_members(
        whole_collection.collection_id, whole_collection.excluded_contact_ids, whole_collection.ask_everybody
    ) AS m
    WHERE (
        SELECT count(*) <= whole_collection.most
        FROM (
            SELECT
            FROM connection_paths.collection_members AS m
            WHERE m.collection_id = whole_collection.collection_id
            LIMIT whole_collection.most + 1
        ) AS m
    );
END;

COMMENT ON FUNCTION connection_paths.whole_collection(bigint, bigint[], boolean, bigint) IS 'All members of a collection who may be asked; no row where the collection is too large';

REVOKE ALL ON FUNCTION connection_paths.whole_collection(bigint, bigint[], boolean, bigint) FROM PUBLIC;
