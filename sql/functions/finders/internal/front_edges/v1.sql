-- connection_paths.front_edges(request, chains, most, is_hashed, by_strength, is_filtered)
--
-- Gives the best edges of the first contacts of some chains that lead to members who may be asked.
--
-- Parameters
--     request      What is asked, already checked. Required.
--     chains       The chains. A contact at the front of several chains is read once.
--     most         How many edges of each contact. NULL: all.
--     is_hashed    True: read the whole collection first, and look up only neighbours who are in it.
--     by_strength  True: the strongest edges come first. False: those that end last. A constant.
--     is_filtered  True: only edges that pass the filters of the request. A constant.
-- Returns
--     One row per contact, neighbour and edge; the best edge of each contact first.
--     contact_id    The first contact of a chain.
--     neighbour_id  The member.
--     rank          The place of the edge: see edge_rank.
-- Errors
--     none
-- Reads
--     collection_members
-- Writes
--     none
-- Used by
--     next_contacts
-- Why
--     The planner inlines this function. Edges are read, and neighbours looked up, only until a contact has enough
--     members. A small collection may be hashed, once a statement (docs/adr/0013-members-by-look-up.md). After the
--     deadline, no further contact is read.
CREATE OR REPLACE FUNCTION connection_paths.front_edges(
    request connection_paths.search_request,
    chains connection_paths.ranked_chain[],
    most bigint,
    is_hashed boolean,
    by_strength boolean,
    is_filtered boolean
)
RETURNS TABLE (contact_id bigint, neighbour_id bigint, rank bigint)
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
ROWS 100
BEGIN ATOMIC
    SELECT f.contact_id, e.neighbour_id, e.rank
    FROM (
        SELECT f.contact_id
        FROM (SELECT DISTINCT c.contact_ids[1] AS contact_id FROM unnest(front_edges.chains) AS c) AS f
        WHERE (front_edges.request).deadline IS NULL OR clock_timestamp() < (front_edges.request).deadline
        OFFSET 0
    ) AS f
    CROSS JOIN LATERAL (
        SELECT e.neighbour_id, connection_paths.edge_rank(e.strength, e.date_to) AS rank
        FROM (
            SELECT e.neighbour_id, e.strength, e.date_to
            FROM connection_paths.contact_edges(
                f.contact_id, front_edges.request, CASE WHEN front_edges.by_strength THEN true END,
                front_edges.is_filtered
            ) AS e
            WHERE NOT front_edges.by_strength OR NOT front_edges.is_hashed
            UNION ALL
            SELECT e.neighbour_id, e.strength, e.date_to
            FROM connection_paths.contact_edges(f.contact_id, front_edges.request, false, front_edges.is_filtered) AS e
            WHERE front_edges.by_strength AND NOT front_edges.is_hashed
            UNION ALL
            (
                SELECT n.id, d.strength, d.date_to
                FROM (
                    SELECT DISTINCT n.id
                    FROM connection_paths.neighbours(f.contact_id) AS n (id)
                    WHERE n.id IN (
                        SELECT m.contact_id
                        FROM connection_paths.collection_members AS m
                        WHERE m.collection_id = (front_edges.request).collection_id
                    )
                ) AS n
                CROSS JOIN LATERAL connection_paths.pair_edges(f.contact_id, n.id, front_edges.request) AS d
                WHERE front_edges.by_strength AND front_edges.is_hashed
                ORDER BY d.strength DESC, d.date_to DESC NULLS FIRST, n.id
            )
            OFFSET 0 -- a fence: neighbours are looked up in the order of the edges
        ) AS e
        WHERE (
            front_edges.by_strength
            OR NOT front_edges.is_hashed
            OR e.neighbour_id IN (
                SELECT m.contact_id
                FROM connection_paths.collection_members AS m
                WHERE m.collection_id = (front_edges.request).collection_id
            )
        )
            AND (
                SELECT true
                FROM connection_paths.askable_members(front_edges.request) AS m
                WHERE m.contact_id = e.neighbour_id
                LIMIT 1
            )
        LIMIT front_edges.most
    ) AS e;
END;

COMMENT ON FUNCTION connection_paths.front_edges(connection_paths.search_request, connection_paths.ranked_chain[], bigint, boolean, boolean, boolean) IS 'The best edges of the first contacts of chains that lead to members who may be asked';

REVOKE ALL ON FUNCTION connection_paths.front_edges(connection_paths.search_request, connection_paths.ranked_chain[], bigint, boolean, boolean, boolean)
FROM PUBLIC;
