-- connection_paths.members_among(contact_ids, collection_id, only_user_id, excluded_contact_ids, ask_everybody)
--
-- Looks up which of some contacts are members of a collection who may be asked.
--
-- Parameters
--     contact_ids           The contacts; one may come several times.
--     collection_id         The collection whose members may be asked. Required; an unknown id gives an empty
--                           answer.
--     only_user_id          Only the members that this user brought in. NULL: all members.
--     excluded_contact_ids  Contacts who may not be asked, besides those in do_not_ask; sorted, without NULL.
--     ask_everybody         True when nobody of the collection is in do_not_ask and nobody is excluded.
-- Returns
--     One row per entry, so a member whom several users brought in comes several times.
--     contact_id  The member.
--     user_id     The user who brought the member in.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     member_lists
-- Why
--     An index search with = ANY (array) takes 0.2 to 0.5 us a contact, a nested loop 0.8 to 1.1 us. PostgreSQL 15
--     and 16 may plan = ANY as a filter where they believe that a collection has few entries. With a plan made for an
--     empty table, a search then read a collection of 500,000 entries (docs/adr/0013-members-by-array.md).
CREATE OR REPLACE FUNCTION connection_paths.members_among(
    contact_ids bigint[],
    collection_id bigint,
    only_user_id bigint,
    excluded_contact_ids bigint[],
    ask_everybody boolean
)
RETURNS TABLE (contact_id bigint, user_id bigint)
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100
SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
    IF current_setting('server_version_num')::integer >= 170000 THEN
        RETURN QUERY
        SELECT m.contact_id, m.user_id
        FROM connection_paths.askable_members(
            members_among.collection_id, members_among.excluded_contact_ids, members_among.ask_everybody
        ) AS m
        WHERE m.contact_id = ANY (members_among.contact_ids)
            AND (only_user_id IS NULL OR m.user_id = only_user_id);
    ELSE
        RETURN QUERY
        SELECT m.contact_id, m.user_id
        FROM (SELECT DISTINCT c.contact_id FROM unnest(members_among.contact_ids) AS c (contact_id)) AS c
        CROSS JOIN LATERAL (
            SELECT m.contact_id, m.user_id
            FROM connection_paths.askable_members(
                members_among.collection_id, members_among.excluded_contact_ids, members_among.ask_everybody
            ) AS m
            WHERE m.contact_id = c.contact_id
                AND (only_user_id IS NULL OR m.user_id = only_user_id)
            OFFSET 0
        ) AS m;
    END IF;
END
$function$;

COMMENT ON FUNCTION connection_paths.members_among(bigint[], bigint, bigint, bigint[], boolean) IS 'Which of some contacts are members of a collection who may be asked';

REVOKE ALL ON FUNCTION connection_paths.members_among(bigint[], bigint, bigint, bigint[], boolean) FROM PUBLIC;
