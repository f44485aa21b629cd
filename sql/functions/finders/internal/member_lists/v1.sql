-- connection_paths.member_lists(contact_ids, edges_each, wanted, all_members, known_contacts, kinds, given_edges,
--     collection_id, only_user_id, excluded_contact_ids, ask_everybody, deadline)
--
-- Reads, for each of some contacts, the best edges that lead to members who may be asked.
--
-- Parameters
--     contact_ids           The contacts, each once.
--     edges_each            How many edges of each contact are read. NULL: as many as needed.
--     wanted                How many members of each contact are wanted. NULL: all among the edges read.
--     all_members           All members who may be asked, if known: other neighbours are skipped while reading.
--                           NULL: not known.
--     known_contacts        Members who may be asked, as far as known; they are not looked up again.
--     kinds                 How many kinds of edges there are.
--     given_edges           Edges of the target to use instead of the edge table. NULL: the edge table.
--     collection_id         The collection whose members may be asked. Required; an unknown id gives an empty
--                           answer.
--     only_user_id          Look up only the members that this user brought in. NULL: all members.
--     excluded_contact_ids  Contacts who may not be asked, besides those in do_not_ask; sorted, without NULL.
--     ask_everybody         True when nobody of the collection is in do_not_ask and nobody is excluded.
--     deadline              No contact is begun after this time. NULL: never.
-- Returns
--     One row.
--     contacts        The contacts whose lists are finished.
--     numbers         How many members the list of each of them has.
--     neighbours      The lists, one after the other, the best edge first.
--     recencies       The last day of each of these edges, at most today.
--     unfinished      Contacts with fewer members than wanted among the edges read, and more edges.
--     share           The share of edges that lead to members: of unfinished contacts, or where all are wanted of
--                     all.
--     edges_read      How many edges were read.
--     read_to         The recency of the last edge read, where a contact may have more edges; else NULL.
--     found_contacts  Members that were looked up and found; several times where several users brought one in.
--     found_users     The user of each of them.
-- Errors
--     none
-- Reads
--     none
-- Writes
--     none
-- Used by
--     next_contacts, sql/queries/doctor/plan_member_lists.sql
-- Why
--     Edges are read in bulk and the neighbours looked up in one index scan. A neighbour is read once more than an
--     edge-by-edge search would read it, and looked up at a fraction of the cost.
CREATE OR REPLACE FUNCTION connection_paths.member_lists(
    contact_ids bigint[],
    edges_each bigint,
    wanted bigint,
    all_members bigint[],
    known_contacts bigint[],
    kinds integer,
    given_edges connection_paths.given_edge[],
    collection_id bigint,
    only_user_id bigint,
    excluded_contact_ids bigint[],
    ask_everybody boolean,
    deadline timestamptz
)
RETURNS TABLE (
    contacts bigint[],
    numbers bigint[],
    neighbours bigint[],
    recencies date[],
    unfinished bigint[],
    share double precision,
    edges_read bigint,
    read_to date,
    found_contacts bigint[],
    found_users bigint[]
)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 1
BEGIN ATOMIC
    WITH edges AS MATERIALIZED (
        SELECT f.contact_id, e.neighbour_ids, e.date_tos, e.number
        FROM (
            SELECT f.contact_id
            FROM unnest(member_lists.contact_ids) AS f (contact_id)
            WHERE member_lists.deadline IS NULL OR clock_timestamp() < member_lists.deadline
            OFFSET 0
        ) AS f
        CROSS JOIN LATERAL (
            SELECT array_agg(e.neighbour_id) AS neighbour_ids, array_agg(e.date_to) AS date_tos, count(*) AS number
            FROM (
                SELECT e.neighbour_id, e.date_to
                FROM connection_paths.contact_edges(
                    f.contact_id, member_lists.edges_each, member_lists.given_edges
                ) AS e
                WHERE member_lists.all_members IS NULL
                    OR e.neighbour_id IN (SELECT m.contact_id FROM unnest(member_lists.all_members) AS m (contact_id))
                LIMIT CASE WHEN member_lists.all_members IS NOT NULL THEN member_lists.wanted END
            ) AS e
        ) AS e
    ),
    found AS MATERIALIZED (
        SELECT m.contact_id, m.user_id
        FROM connection_paths.members_among(
            ARRAY(
                SELECT n.contact_id
                FROM (SELECT unnest(e.neighbour_ids) AS contact_id FROM edges AS e) AS n
                WHERE (
                    n.contact_id IN (SELECT k.contact_id FROM unnest(member_lists.known_contacts) AS k (contact_id))
                ) IS NOT TRUE
            ),
            member_lists.collection_id,
            member_lists.only_user_id,
            member_lists.excluded_contact_ids,
            member_lists.ask_everybody
        ) AS m
    ),
    lists AS MATERIALIZED (
        SELECT
            e.contact_id,
            e.number AS edges_read,
            l.neighbour_ids,
            l.recencies,
            l.number,
            (l.number < member_lists.wanted AND e.number = member_lists.edges_each) IS TRUE AS is_unfinished
        FROM edges AS e
        CROSS JOIN LATERAL (
            SELECT
                array_agg(n.neighbour_id) AS neighbour_ids,
                array_agg(LEAST(n.date_to, current_date)) AS recencies,
                count(*) AS number
            FROM (
                SELECT n.neighbour_id, n.date_to
                FROM (SELECT unnest(e.neighbour_ids) AS neighbour_id, unnest(e.date_tos) AS date_to) AS n
                WHERE (
                    n.neighbour_id IN (
                        SELECT m.contact_id FROM found AS m
                        UNION ALL
                        SELECT k.contact_id FROM unnest(member_lists.known_contacts) AS k (contact_id)
                    )
                ) IS TRUE
                    AND (
                        member_lists.kinds = 1
                        OR NOT EXISTS (
                            SELECT
                            FROM connection_paths.better_edge(e.contact_id, n.neighbour_id, n.date_to)
                            OFFSET 0
                        )
                    )
                LIMIT member_lists.wanted
            ) AS n
        ) AS l
    )
    SELECT
        (SELECT array_agg(l.contact_id) FROM lists AS l WHERE NOT l.is_unfinished),
        (SELECT array_agg(l.number) FROM lists AS l WHERE NOT l.is_unfinished),
        (SELECT array_agg(n.id) FROM lists AS l CROSS JOIN LATERAL unnest(l.neighbour_ids) AS n (id) WHERE NOT l.is_unfinished),
        (SELECT array_agg(n.day) FROM lists AS l CROSS JOIN LATERAL unnest(l.recencies) AS n (day) WHERE NOT l.is_unfinished),
        (SELECT array_agg(l.contact_id) FROM lists AS l WHERE l.is_unfinished),
        (SELECT sum(l.number)::double precision / NULLIF(sum(l.edges_read), 0) FROM lists AS l WHERE l.is_unfinished OR member_lists.wanted IS NULL),
        (SELECT sum(l.edges_read)::bigint FROM lists AS l),
        (SELECT LEAST(e.date_tos[e.number], current_date) FROM edges AS e WHERE e.number = member_lists.edges_each LIMIT 1),
        (SELECT array_agg(m.contact_id) FROM found AS m),
        (SELECT array_agg(m.user_id) FROM found AS m);
END;

COMMENT ON FUNCTION connection_paths.member_lists(bigint[], bigint, bigint, bigint[], bigint[], integer, connection_paths.given_edge[], bigint, bigint, bigint[], boolean, timestamptz) IS 'The best edges of some contacts that lead to members who may be asked';

REVOKE ALL ON FUNCTION connection_paths.member_lists(bigint[], bigint, bigint, bigint[], bigint[], integer, connection_paths.given_edge[], bigint, bigint, bigint[], boolean, timestamptz)
FROM PUBLIC;
